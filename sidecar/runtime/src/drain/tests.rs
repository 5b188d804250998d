use super::*;

#[tokio::test(start_paused = true)]
async fn waits_for_every_handle() {
    let (trigger, drain) = channel();
    let worker = tokio::spawn(async move {
        drain.begun().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let begun = tokio::time::Instant::now();
    assert!(trigger.drain(Duration::from_secs(30)).await);
    assert_eq!(begun.elapsed_paused(), Duration::from_secs(5));
    worker.await.expect("the worker ends");
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_the_grace_period() {
    let (trigger, drain) = channel();
    assert!(!trigger.drain(Duration::from_secs(30)).await);
    assert!(drain.has_begun());
}

#[tokio::test(start_paused = true)]
async fn finished_work_is_not_thrown_away() {
    let (trigger, drain) = channel();
    let waits = tokio::spawn(trigger.drain(Duration::from_secs(1)));
    drain.begun().await;
    assert_eq!(drain.cancel(async { 7 }).await, Some(7));
    assert_eq!(drain.cancel(std::future::pending::<()>()).await, None);
    drop(drain);
    assert!(waits.await.expect("the trigger ends"));
}

trait ElapsedPaused {
    fn elapsed_paused(&self) -> Duration;
}

impl ElapsedPaused for tokio::time::Instant {
    fn elapsed_paused(&self) -> Duration {
        tokio::time::Instant::now().duration_since(*self)
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_before_its_time_is_told_of() {
    let (mut trigger, drain) = channel();
    drain.spawn("the rock", std::future::pending());
    let may_go = drain.spawn("what is ended on purpose", std::future::pending());
    may_go.abort();
    let quiet = tokio::time::timeout(Duration::from_secs(60), trigger.failed()).await;
    assert!(quiet.is_err(), "{quiet:?}");

    drain.spawn("the pit", async { panic!("deep") });
    let said = trigger.failed().await.to_string();
    assert!(said.contains("the pit") && said.contains("deep"), "{said}");
    drain.spawn("the leaf", async {});
    let said = trigger.failed().await.to_string();
    assert!(said.contains("the leaf"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn the_drain_waits_for_its_tasks_whose_end_is_then_no_failure() {
    let (trigger, drain) = channel();
    let told = drain.clone();
    drain.spawn("a worker", async move {
        told.begun().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    drop(drain);
    let begun = tokio::time::Instant::now();
    assert!(trigger.drain(Duration::from_secs(30)).await);
    assert_eq!(begun.elapsed_paused(), Duration::from_secs(5));
}
