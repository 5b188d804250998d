use std::sync::atomic::AtomicUsize;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_panics_is_begun_again_and_ends_with_its_keeper() {
    let metrics = Arc::new(Metrics::default());
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&begun);
    let keeper = tokio::spawn(keep_up(Arc::clone(&metrics), move || {
        let at = counted.fetch_add(1, Relaxed);
        let held = Arc::clone(&counted);
        async move {
            assert!(at >= 2, "a bug");
            std::future::pending::<()>().await;
            drop(held);
        }
    }));
    tokio::time::sleep(RESTART * 5).await;
    assert_eq!(begun.load(Relaxed), 3);
    assert_eq!(metrics.panics.load(Relaxed), 2);
    keeper.abort();
    let _ = keeper.await;
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&begun), 1);
}
