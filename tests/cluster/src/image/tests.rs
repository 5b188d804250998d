use std::process::Command;

use super::*;

fn sample() -> Image {
    Image::new("test.local/sample:1")
        .program(Path::new("/bin/cat"), "/bin/cat")
        .unwrap()
        .file("/etc/a.conf", "hello", 0o644)
        .directory("/tmp", 0o1777)
        .entrypoint(&["/bin/cat"])
        .arguments(&["/etc/a.conf"])
}

#[test]
fn the_same_files_give_the_same_bytes() {
    assert_eq!(sample().archive().unwrap(), sample().archive().unwrap());
}

/// Unpacks with the system's tar, and follows the digests from the index to the layer.
#[test]
fn tar_reads_it_and_every_digest_holds() {
    let directory = tempfile::tempdir().unwrap();
    let unpack = |archive: &Path, into: &Path| {
        std::fs::create_dir_all(into).unwrap();
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(archive).arg("-C").arg(into);
        assert!(tar.status().unwrap().success());
    };
    let archive = directory.path().join("image.tar");
    sample().write(&archive).unwrap();
    let layout = directory.path().join("layout");
    unpack(&archive, &layout);

    let json =
        |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        let path = layout
            .join("blobs/sha256")
            .join(digest.strip_prefix("sha256:").unwrap());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(super::digest(&bytes), digest);
        assert_eq!(descriptor["size"], bytes.len());
        path
    };
    let index = json(&layout.join("index.json"));
    assert_eq!(
        index["manifests"][0]["annotations"]["io.containerd.image.name"],
        "test.local/sample:1"
    );
    let manifest = json(&blob(&index["manifests"][0]));
    let config = json(&blob(&manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(
        config["rootfs"]["diff_ids"][0],
        manifest["layers"][0]["digest"]
    );

    let docker = json(&layout.join("manifest.json"));
    assert!(
        layout
            .join(docker[0]["Layers"][0].as_str().unwrap())
            .is_file()
    );
    assert!(layout.join(docker[0]["Config"].as_str().unwrap()).is_file());

    let root = directory.path().join("root");
    unpack(&blob(&manifest["layers"][0]), &root);
    assert_eq!(
        std::fs::read_to_string(root.join("etc/a.conf")).unwrap(),
        "hello"
    );
    // The program runs from the image's files alone.
    let loader = walk(&root)
        .into_iter()
        .find(|path| path.contains("/ld-linux"));
    assert!(loader.is_some(), "{:?}", walk(&root));
}

fn walk(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_missing_library_is_an_error() {
    let listed =
        "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so (0x3)\n";
    let found = libraries::parse(listed).unwrap();
    assert_eq!(
        found,
        [Path::new("/lib/libc.so.6"), Path::new("/lib64/ld.so")]
    );
    assert!(libraries::parse("\tlibx.so => not found\n").is_err());
}

#[test]
fn names_are_spelled_out_as_a_kubelet_asks_for_them() {
    assert_eq!(
        reference("kong/kong-gateway:3.10"),
        "docker.io/kong/kong-gateway:3.10"
    );
    assert_eq!(reference("kong:3.9"), "docker.io/library/kong:3.9");
    assert_eq!(reference("test.local/a:1"), "test.local/a:1");
}

#[test]
fn a_long_path_is_split_and_too_long_a_one_refused() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(80));
    assert!(
        Image::new("a:1").file(&long, "x", 0o644).archive().is_err(),
        "no slash to split the parent at"
    );
    let long = format!("{}/{}/f", "d".repeat(90), "e".repeat(60));
    Image::new("a:1").file(&long, "x", 0o644).archive().unwrap();
}
