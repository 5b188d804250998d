use super::*;

fn config(flags: &str) -> Result<Config, Exit> {
    let arguments = std::iter::once("tagalong-sidecar").chain(flags.split_whitespace());
    Config::from_flags(arguments, None)
}

fn usage(flags: &str) -> String {
    match config(flags) {
        Err(Exit::Usage(line)) => line,
        other => panic!("{flags}: {other:?}"),
    }
}

#[test]
fn the_flags_of_the_design() {
    let file = config(
        "--listen 127.0.0.1:1 --kong-metrics-url https://[::1]:8100/metrics --labels-file f.json",
    )
    .expect("good flags");
    assert_eq!(file.listen.to_string(), "127.0.0.1:1");
    assert_eq!(file.kong.to_string(), "https://[::1]:8100/metrics");
    assert_eq!(file.labels, LabelSource::File("f.json".into()));

    let stream = config("--labels-url https://tagalong:8443/v1/labels --token-file t --ca-file c")
        .expect("good flags");
    assert_eq!(stream.listen.to_string(), "[::]:9542");
    assert_eq!(stream.kong.to_string(), "http://127.0.0.1:8100/metrics");
    assert!(
        matches!(stream.labels, LabelSource::Stream { url, .. } if url.to_string() == "https://tagalong:8443/v1/labels")
    );
    assert!(
        config("--labels-url http://127.0.0.1:8443/v1/labels --token-file t --ca-file c").is_ok()
    );
}

#[test]
fn a_bad_flag_is_one_line_that_names_it() {
    for (flags, named) in [
        ("--labels-file f --listen here", "--listen"),
        ("--labels-file f --listen 0.0.0.0:99999", "--listen"),
        (
            "--labels-file f --kong-metrics-url kong:8100/metrics",
            "--kong-metrics-url",
        ),
        (
            "--labels-file f --kong-metrics-url ftp://kong/",
            "--kong-metrics-url",
        ),
        ("--labels-file", "--labels-file"),
        (
            "--labels-file f --labels-url https://o/ --token-file t --ca-file c",
            "--labels-url",
        ),
        ("--labels-file f --token-file t", "--labels-url"),
        ("--labels-url https://o/", "--token-file"),
        ("--labels-url https://o/ --token-file t", "--ca-file"),
        (
            "--labels-url http://operator.example/v1/labels --token-file t --ca-file c",
            "--labels-url",
        ),
        (
            "--labels-url nonsense --token-file t --ca-file c",
            "--labels-url",
        ),
        ("", "--labels-file"),
        ("--labels-file f --no-such-flag", "--no-such-flag"),
        ("--labels-file f stray", "stray"),
    ] {
        let line = usage(flags);
        assert!(line.contains(named), "{flags}: {line}");
        assert!(
            !line.contains('\n') && !line.starts_with("error"),
            "{flags}: {line}"
        );
    }
}

#[test]
fn help_and_version_are_shown() {
    for (flags, told) in [
        ("--help", "--kong-metrics-url"),
        ("--help", "TAGALONG_LOG_FORMAT"),
        ("--help", "TAGALONG_POD_UID"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(matches!(config(flags), Err(Exit::Shown(text)) if text.contains(told)));
    }
    assert!(VERSION.ends_with(concat!("(", env!("TAGALONG_BUILD_COMMIT"), ")")));
}

#[test]
fn the_readme_has_every_flag_with_its_variable() {
    let page = include_str!("../../README.md");
    for flag in Flags::command().get_arguments() {
        let Some(long) = flag.get_long() else {
            continue;
        };
        let Some(variable) = flag.get_env() else {
            assert!(
                ["help", "version"].contains(&long),
                "--{long} has no variable: sidecar/src/config.rs (or the runtime's logging.rs) gives it `env = \"TAGALONG_…\"`"
            );
            continue;
        };
        let row = format!("| `--{long}` | `{}` |", variable.to_string_lossy());
        assert!(page.contains(&row), "sidecar/README.md lacks {row}");
    }
    let command = Flags::command();
    let known: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `--"));
    for flag in rows.filter_map(|row| row.split('`').next()) {
        assert!(
            known.contains(&flag),
            "sidecar/README.md has --{flag}, which is no flag of sidecar/src/config.rs"
        );
    }
}
