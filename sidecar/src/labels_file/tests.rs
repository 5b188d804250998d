use std::os::unix::fs::symlink;

use super::*;

const ONE: &str = r#"{"type":"SNAPSHOT","version":1,"services":{"k":{"namespace":"n","name":"s"}},"upstreams":{}}"#;
const TWO: &str = r#"{"type":"SNAPSHOT","version":2,"services":{},"upstreams":{}}"#;

fn anything() -> Room {
    Room::within(None)
}

fn version(look: Option<Result<ActiveTable, FileError>>) -> Option<u64> {
    look.expect("a change").expect("a good file").version
}

#[test]
fn each_new_state_is_read_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("labels.json");
    fs::write(&path, ONE).expect("written");
    let (mut file, loaded) = LabelsFile::open(path.clone(), anything()).expect("a good file");
    assert_eq!(
        (
            loaded.version,
            loaded.labels.services(),
            loaded.labels.upstreams()
        ),
        (Some(1), 1, 0)
    );
    assert_eq!(loaded.labels.len(), 1);
    assert!(file.look(&ActiveTable::default()).is_none());

    fs::write(&path, TWO).expect("written");
    assert_eq!(version(file.look(&ActiveTable::default())), Some(2));
    assert!(file.look(&ActiveTable::default()).is_none());

    let beside = directory.path().join("new.json");
    fs::write(&beside, ONE).expect("written");
    fs::rename(&beside, &path).expect("renamed");
    assert_eq!(version(file.look(&ActiveTable::default())), Some(1));

    fs::write(&path, "{\n\"type\":").expect("written");
    let error = file
        .look(&ActiveTable::default())
        .expect("a change")
        .expect_err("a broken file");
    assert_eq!(
        error.to_string(),
        format!("{}:2:7: EOF while parsing a value", path.display())
    );
    assert!(
        file.look(&ActiveTable::default()).is_none(),
        "refused once, not every second"
    );

    fs::remove_file(&path).expect("removed");
    assert!(matches!(
        file.look(&ActiveTable::default()),
        Some(Err(FileError::Read(..)))
    ));
    assert!(file.look(&ActiveTable::default()).is_none());
    fs::write(&path, ONE).expect("written");
    assert_eq!(version(file.look(&ActiveTable::default())), Some(1));
}

/// The way a kubelet updates a mounted ConfigMap.
#[test]
fn a_swapped_symlink_is_seen() {
    let mount = tempfile::tempdir().expect("a directory");
    let at = |name: &str| mount.path().join(name);
    for (directory, text) in [("..1", ONE), ("..2", TWO)] {
        fs::create_dir(at(directory)).expect("made");
        fs::write(at(directory).join("labels.json"), text).expect("written");
    }
    symlink("..1", at("..data")).expect("linked");
    symlink("..data/labels.json", at("labels.json")).expect("linked");
    let (mut file, loaded) = LabelsFile::open(at("labels.json"), anything()).expect("a good file");
    assert_eq!(loaded.version, Some(1));
    assert!(file.look(&ActiveTable::default()).is_none());
    symlink("..2", at("..data_tmp")).expect("linked");
    fs::rename(at("..data_tmp"), at("..data")).expect("renamed");
    assert_eq!(version(file.look(&ActiveTable::default())), Some(2));
}

#[test]
fn a_file_that_is_no_table_is_refused_with_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing =
        LabelsFile::open(directory.path().join("gone.json"), anything()).expect_err("missing");
    assert!(
        missing.to_string().contains("gone.json: No such file"),
        "{missing}"
    );
    let huge = directory.path().join("huge.json");
    let file = fs::File::create(&huge).expect("made");
    file.set_len(MAX_MESSAGE as u64 + 1).expect("grown");
    assert!(matches!(
        LabelsFile::open(huge, anything()),
        Err(FileError::TooLong(..))
    ));
    let array = directory.path().join("array.json");
    fs::write(&array, "[]").expect("written");
    let error = LabelsFile::open(array, anything()).expect_err("an array");
    assert!(
        error
            .to_string()
            .contains("expected an object with a `type`"),
        "{error}"
    );
    let narrow = directory.path().join("labels.json");
    fs::write(&narrow, ONE).expect("written");
    let error = LabelsFile::open(narrow, Room::within(Some(1200))).expect_err("no room");
    assert!(
        error
            .to_string()
            .contains("labels.json: too many labels: they need 1 MiB"),
        "{error}"
    );
}
