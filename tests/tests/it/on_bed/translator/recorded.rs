//! The translator that the worlds are tried on is Kong's: over the recorded worlds it answers as that of 3.4.20 did.

use std::collections::BTreeMap;

use serde_json::Value;
use tagalong_tests::recorded::{answers, worlds};

use super::program::{Controller, Translator};

const FLAGS: [&str; 4] = ["ids", "combined,ids", "ids,expr", "combined,ids,expr"];

#[test]
fn the_translator_answers_as_recorded() {
    let mut recorded: BTreeMap<(String, String), _> = answers()
        .expect("answers")
        .into_iter()
        .filter(|answer| answer.translator == "kic-v3.4.20")
        .map(|answer| ((answer.world.clone(), answer.flags.clone()), answer))
        .collect();
    let mut translator = Translator::start();
    for mut world in worlds().expect("worlds") {
        let controller = controller(&world.objects);
        // When these were recorded, no route was refused because of its host names.
        let gateways = world
            .objects
            .iter_mut()
            .filter(|object| object["kind"] == "Gateway");
        let listeners = gateways.flat_map(|gateway| {
            gateway["spec"]["listeners"]
                .as_array_mut()
                .into_iter()
                .flatten()
        });
        for listener in listeners.filter_map(Value::as_object_mut) {
            listener.remove("hostname");
        }
        let controller = Controller {
            name: &controller,
            gateway: "",
        };
        for answer in translator.ask(controller, &world.objects, &FLAGS) {
            let was = recorded
                .remove(&(world.world.clone(), answer.flags.clone()))
                .expect("an answer");
            assert_eq!(
                answer.error, None,
                "world {} ({})",
                world.world, answer.flags
            );
            assert_eq!(
                answer.services, was.services,
                "world {} ({})",
                world.world, answer.flags
            );
            assert_eq!(
                answer.upstreams, was.upstreams,
                "world {} ({})",
                world.world, answer.flags
            );
        }
    }
    assert!(recorded.is_empty(), "{} were not compared", recorded.len());
}

fn controller(objects: &[Value]) -> String {
    let kong = objects
        .iter()
        .find(|object| object["kind"] == "GatewayClass" && object["metadata"]["name"] == "kong");
    let name = kong.and_then(|class| class["spec"]["controllerName"].as_str());
    name.expect("a class").to_owned()
}
