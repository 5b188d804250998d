use super::*;
use http_body_util::BodyExt;

async fn get(admin: &Admin, path: &str) -> (StatusCode, String) {
    let response = admin.answer(&Request::get(path).body(()).expect("a request"));
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body");
    (
        status,
        String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    )
}

#[tokio::test]
async fn alive_at_once_ready_later() {
    let readiness = Readiness::default();
    let pods = readiness.handle("watch of pods");
    let admin = Admin::new(readiness);
    assert_eq!(get(&admin, "/healthz").await.0, StatusCode::OK);
    let (status, body) = get(&admin, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "waiting for watch of pods\n");
    pods.ready();
    assert_eq!(get(&admin, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn metrics_where_asked_for() {
    let admin = Admin::new(Readiness::default());
    assert_eq!(get(&admin, "/metrics").await.0, StatusCode::NOT_FOUND);
    let admin = admin.with_metrics(Arc::new(|| "# EOF\n".to_owned()));
    assert_eq!(
        get(&admin, "/metrics").await,
        (StatusCode::OK, "# EOF\n".to_owned())
    );
}

#[test]
fn nothing_but_reading() {
    let admin = Admin::new(Readiness::default());
    let answer = admin.answer(&Request::post("/healthz").body(()).expect("a request"));
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD");
}
