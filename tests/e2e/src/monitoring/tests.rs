//! The recording rule used here is the guide's.

use serde_json::json;

use super::{OWN_RULE, PUBLISHED, parse};
use crate::Tried;

/// On the road it has two names, one for each way of scraping, and looks at one job under each.
#[test]
fn the_guide_recommends_the_rule_of_the_road() -> Tried<()> {
    let page = include_str!("../../../../docs/guides/prometheus-and-hpa.md");
    let block = page
        .split("```yaml\n")
        .find(|block| block.starts_with("rules:"));
    let block = block.and_then(|block| block.split("```").next());
    let values = parse(block.ok_or("the page has no rules")?)?;
    let rule = OWN_RULE.replace("METRIC", PUBLISHED);
    let rule = parse(&rule.replace("job=\"JOB\",", ""))?;
    assert_eq!(values["rules"]["custom"], json!([rule]));
    Ok(())
}
