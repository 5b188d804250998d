use super::*;

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn sleeper(directory: &Path) -> Process {
    let mut command = Ground::Host.command("sleep");
    command.arg("600");
    Process::start("sleeper", command, directory).unwrap()
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let mut process = std::thread::spawn(move || sleeper(&path)).join().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    process.running().unwrap();
    let pid = process.id();
    drop(process);
    assert!(!alive(pid));
}

#[test]
fn an_early_end_is_reported_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Ground::Host.command("sh");
    command.args(["-c", "echo what went wrong >&2; exit 3"]);
    let mut process = Process::start("brief", command, directory.path()).unwrap();
    assert!(eventually(|| process.running().is_err()));
    let message = process.running().unwrap_err().to_string();
    assert!(
        message.contains("exit status: 3") && message.contains("what went wrong"),
        "{message}"
    );
}

#[test]
fn stop_asks_before_it_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Ground::Host.command("sh");
    command.args([
        "-c",
        "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done",
    ]);
    let process = Process::start("polite", command, directory.path()).unwrap();
    assert!(eventually(|| process.log_tail().contains("up")));
    let status = process.stop(Duration::from_secs(20)).unwrap();
    assert_eq!(status.code(), Some(7));
}

#[test]
fn the_reaper_removes_what_it_was_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let doomed = directory.path().join("a b");
    std::fs::create_dir_all(doomed.join("c")).unwrap();
    let mut reaper = Reaper::start().unwrap();
    reaper.directory(&doomed).unwrap();
    assert!(doomed.exists());
    drop(reaper);
    assert!(!doomed.exists());
    assert!(directory.path().exists());
}
