use super::*;

const MIB: u64 = 1 << 20;

fn group(root: &Path, file: &str, limit: &str) {
    let file = root.join(file);
    fs::create_dir_all(file.parent().expect("a directory")).expect("made");
    fs::write(file, format!("{limit}\n")).expect("written");
}

#[test]
fn the_least_limit_of_either_version() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path();
    let two = "0::/pod/sidecar\n";
    assert_eq!(limit_in(two, root), None);
    group(root, "pod/sidecar/memory.max", "max");
    assert_eq!(limit_in(two, root), None);
    group(root, "pod/memory.max", "200");
    assert_eq!(limit_in(two, root), Some(200));
    group(root, "pod/sidecar/memory.max", "100");
    assert_eq!(limit_in(two, root), Some(100));

    let one = "5:cpu,cpuacct:/other\n4:memory:/pod\n0::/\n";
    assert_eq!(limit_in(one, root), None);
    group(
        root,
        "memory/pod/memory.limit_in_bytes",
        "9223372036854771712",
    );
    assert_eq!(limit_in(one, root), None);
    // As a container sees its own group, under the path that it has on the host.
    group(root, "memory/memory.limit_in_bytes", "67108864");
    assert_eq!(limit_in(one, root), Some(64 * MIB));
    assert_eq!(limit_in("garbage\n0:\n", root), None);
}

#[test]
fn labels_have_what_the_rest_leaves_and_a_quarter_at_least() {
    for (limit, has) in [(64, 35), (256, 215), (16, 4), (24, 6)] {
        let room = Room::within(Some(limit * MIB));
        let bytes = usize::try_from(has * MIB).expect("small");
        assert_eq!(room.check(bytes), Ok(()), "{limit}");
        assert!(room.check(bytes + (1 << 20)).is_err(), "{limit}");
        assert_eq!(room.longest_message(bytes), 0);
    }
    assert_eq!(Room::within(None).check(usize::MAX), Ok(()));
    assert_eq!(Room::within(None).longest_message(0), MAX_MESSAGE);
}

#[test]
fn what_is_too_large_says_what_helps() {
    let error = Room::within(Some(64 * MIB))
        .check((44 << 20) + 1)
        .expect_err("too large");
    let told = error.to_string();
    assert!(
        told.contains("need 45 MiB of memory, and of the limit of 64 MiB they may have 35"),
        "{told}"
    );
    assert!(told.contains("tagalong.dev/sidecar-resources"), "{told}");
}
