use clap::CommandFactory as _;

#[test]
fn the_flags_do_not_contradict_each_other() {
    super::Args::command().debug_assert();
}
