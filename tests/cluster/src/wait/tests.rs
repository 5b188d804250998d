use std::cell::Cell;

use super::*;

#[tokio::test]
async fn it_returns_what_was_found() {
    let looks = Cell::new(0);
    let found = until("the third look", TIMEOUT, || {
        looks.set(looks.get() + 1);
        let look = looks.get();
        async move {
            if look == 3 {
                Ok(look)
            } else {
                Err("too early".into())
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(found, 3);
}

#[tokio::test]
async fn it_gives_up_and_says_what_it_saw() {
    let error = until("a miracle", Duration::from_millis(300), || async {
        Err::<(), _>("rain".into())
    })
    .await
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("a miracle") && error.contains("seen last: rain"),
        "{error}"
    );
}

#[tokio::test]
async fn a_probe_that_hangs_does_not_outlast_the_deadline() {
    let error = until("an answer", Duration::from_millis(100), || {
        std::future::pending::<std::result::Result<(), Seen>>()
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("did not come back"));
}
