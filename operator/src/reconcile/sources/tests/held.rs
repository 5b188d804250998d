//! What must stay as it is while webhooks are away, of another version, or unknown; and the way back to sidecars from below.

use super::*;

/// An operator that starts while the webhook is away, or of which one cannot see how it is, leaves all as it is.
#[tokio::test(start_paused = true)]
async fn what_comes_from_above_stays_while_nothing_is_known_of_the_webhooks() {
    for answers in [true, false] {
        let mut town = Town::new(configurations()[2].clone(), dataplane());
        town.kong();
        town.pass();
        town.kong();
        town.pass();
        let (above, below) = (town.configuration.clone(), town.dataplane.clone());
        town.touches = 0;
        let webhook = if answers { None } else { town.webhook.take() };
        town.open = Some(false);
        town.sources = Sources::new(GRACE);
        for _ in 0..20 {
            assert_eq!(town.pass(), 0, "the webhook answers: {answers}");
            town.kong();
            town.wait(GRACE / 2);
        }
        assert_eq!((&town.configuration, &town.dataplane), (&above, &below));
        assert_eq!(town.touches, 0);
        assert!(town.fallen_back.is_empty());
        town.open = Some(true);
        town.webhook = town.webhook.take().or(webhook);
        town.is_quiet();
    }
}

/// One that is labelled stays so until all webhooks are known: one of before would take out the sidecar with the label.
#[tokio::test(start_paused = true)]
async fn none_is_left_to_what_is_above_while_nothing_is_known_of_the_webhooks() {
    let mut town = injected_below(configurations()[1].clone());
    town.pass();
    town.kong();
    assert!(town.is_whole_above());
    for _ in 0..4 {
        town.open = Some(false);
        town.wait(GRACE);
        assert_eq!(town.pass(), 0);
    }
    assert_eq!(town.label(), "enabled");
    town.open = Some(true);
    town.pass();
    assert_eq!(town.label(), "enabled", "not at once: it may have changed");
    town.wait(GRACE / 4);
    town.pass();
    assert_eq!((town.label(), town.rollouts), (&Value::Null, 0));
}

/// A new installation whose webhook does not come: the DataPlane is labelled after a while, and waits for it.
#[tokio::test(start_paused = true)]
async fn a_new_one_waits_for_the_webhook_and_then_asks_itself() {
    let mut town = Town::new(configurations()[1].clone(), dataplane());
    town.kong();
    town.open = Some(false);
    town.pass();
    assert_eq!(town.label(), &Value::Null);
    town.wait(GRACE);
    town.pass();
    assert_eq!(town.label(), "enabled");
    assert!(!town.is_whole_above());
}

/// Back to sidecars from below, by the setting: what is above goes when what is below is asked for.
#[tokio::test(start_paused = true)]
async fn without_the_setting_it_is_had_below_and_no_pod_is_replaced() {
    for configuration in configurations() {
        let mut town = Town::new(configuration.clone(), dataplane());
        town.kong();
        town.pass();
        town.kong();
        town.rollouts = 0;
        town.open = None;
        town.pass();
        assert_eq!(town.label(), "enabled");
        assert!(town.is_whole_above(), "not before it is labelled");
        while town.pass() > 0 {
            town.kong();
        }
        assert!(!town.is_whole_above());
        assert_eq!(town.configuration["spec"], configuration["spec"]);
        town.kong();
        assert_eq!((town.rollouts, town.has_sidecar()), (0, true));
    }
}

/// Of what a client leaves when it replaces a list while no webhook answers, and `Ignore` lets it.
#[tokio::test(start_paused = true)]
async fn a_configuration_of_which_a_part_is_left_is_brought_through() {
    for list in ["initContainers", "volumes"] {
        let mut town = Town::new(configurations()[2].clone(), dataplane());
        town.kong();
        town.pass();
        town.kong();
        town.configuration["spec"]["dataPlaneOptions"]["deployment"]["podTemplateSpec"]["spec"]
            [list] = json!([]);
        town.pass();
        town.wait(GRACE * RARELY);
        town.pass();
        assert!(town.is_whole_above(), "{list}");
    }
}
