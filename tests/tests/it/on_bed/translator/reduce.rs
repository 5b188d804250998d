//! The smallest part of a world in which the same thing is wrong.

use serde_json::Value;

use super::world::World;

/// Takes away objects, then parts of them, as long as `fails` says that what is left still fails.
pub fn reduced(world: &World, mut fails: impl FnMut(&World) -> bool) -> World {
    let mut least = world.clone();
    loop {
        let before = size(&least);
        drop_each(&mut least, &mut fails, |world| &mut world.past);
        drop_each(&mut least, &mut fails, |world| &mut world.objects);
        for number in 0..least.objects.len() {
            for path in lists(&least.objects[number]) {
                drop_items(&mut least, &mut fails, number, &path);
            }
        }
        if size(&least) == before {
            return least;
        }
    }
}

fn size(world: &World) -> usize {
    let objects = world.objects.iter().chain(&world.past);
    objects.map(|object| object.to_string().len()).sum()
}

fn drop_each(
    least: &mut World,
    fails: &mut impl FnMut(&World) -> bool,
    list: fn(&mut World) -> &mut Vec<Value>,
) {
    let mut number = 0;
    while number < list(least).len() {
        let mut less = least.clone();
        let dropped = list(&mut less).remove(number);
        // Whose table would be asked for?
        let keep = ["DataPlane", "Deployment"]
            .map(Value::from)
            .contains(&dropped["kind"]);
        if !keep && fails(&less) {
            *least = less;
        } else {
            number += 1;
        }
    }
}

fn drop_items(
    least: &mut World,
    fails: &mut impl FnMut(&World) -> bool,
    object: usize,
    path: &str,
) {
    let mut number = 0;
    loop {
        let mut less = least.clone();
        match less.objects[object].pointer_mut(path) {
            Some(Value::Array(items)) if number < items.len() && items.len() > 1 => {
                items.remove(number);
            }
            _ => return,
        }
        if fails(&less) {
            *least = less;
        } else {
            number += 1;
        }
    }
}

/// Where an object's spec has lists.
fn lists(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![("/spec".to_owned(), &object["spec"])];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Array(items) => {
                found.push(path.clone());
                open.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(number, item)| (format!("{path}/{number}"), item)),
                );
            }
            Value::Object(fields) => open.extend(
                fields
                    .iter()
                    .map(|(name, field)| (format!("{path}/{name}"), field)),
            ),
            _ => {}
        }
    }
    found
}
