use super::ask;
use http::Uri;
use tagalong_runtime::Readiness;
use tagalong_runtime::admin::Admin;
use tagalong_runtime::drain;
use tagalong_runtime::serve::Server;

#[tokio::test]
async fn it_says_what_is_missing_and_is_content_when_nothing_is()
-> Result<(), Box<dyn std::error::Error>> {
    let readiness = Readiness::default();
    let handle = readiness.handle("a certificate");
    let server = Server::bind("127.0.0.1:0".parse()?).await?;
    let url: Uri = format!("http://localhost:{}/readyz", server.address().port()).parse()?;
    let (_trigger, drain) = drain::channel();
    let admin = Admin::new(readiness.clone());
    tokio::spawn(server.serve(
        move |request| std::future::ready(admin.answer(&request)),
        drain,
    ));
    let not_yet = ask(&url).await;
    assert_eq!(
        not_yet.as_ref().err().map(String::as_str),
        Some("503 Service Unavailable: waiting for a certificate")
    );
    handle.ready();
    assert_eq!(ask(&url).await, Ok(()));
    Ok(())
}

#[tokio::test]
async fn nobody_and_nonsense_are_not_ready() -> Result<(), Box<dyn std::error::Error>> {
    for url in ["https://localhost/", "/readyz", "http://tagalong.invalid/"] {
        let url: Uri = url.parse()?;
        assert!(ask(&url).await.is_err(), "{url}");
    }
    Ok(())
}
