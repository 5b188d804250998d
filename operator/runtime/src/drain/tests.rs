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
