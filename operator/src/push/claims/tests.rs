use super::*;
use serde_json::{Value, json};

fn token(claims: &Value) -> String {
    format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[test]
fn a_kubelets_token_could_be_a_sidecars() {
    // As `kubectl create token --bound-object-kind Pod` prints it, decoded.
    let claims = json!({
        "aud": ["tagalong"], "exp": 1_764_000_000, "iat": 1_763_996_400, "iss": "https://kubernetes.default.svc.cluster.local",
        "kubernetes.io": {"namespace": "default", "node": {"name": "n", "uid": "1"}, "pod": {"name": "p", "uid": "2"},
            "serviceaccount": {"name": "default", "uid": "3"}},
        "sub": "system:serviceaccount:default:default",
    });
    let claims = TokenClaims::read(&token(&claims)).expect("claims");
    assert!(claims.is_for_us() && claims.is_of_a_pod());
    assert_eq!(claims.exp, Some(1_764_000_000));
}

#[test]
fn an_audience_may_stand_alone() {
    let claims = |aud| TokenClaims::read(&token(&json!({ "aud": aud }))).expect("claims");
    assert!(claims(json!("tagalong")).is_for_us());
    assert!(claims(json!(["other", "tagalong"])).is_for_us());
    for other in [json!("other"), json!([]), json!(["tagalong2"])] {
        assert!(!claims(other).is_for_us());
    }
}

#[test]
fn what_is_no_token_has_no_claims() {
    for odd in [
        "",
        "a",
        "a.b.c",
        "..",
        "a.!!.c",
        "a.e30",
        "a.e30.c.d",
        "a.MQ.c",
    ] {
        assert!(TokenClaims::read(odd).is_none(), "{odd:?}");
    }
    let empty = TokenClaims::read("a.e30.c").expect("claims");
    assert!(!empty.is_for_us() && !empty.is_of_a_pod() && empty.exp.is_none());
}
