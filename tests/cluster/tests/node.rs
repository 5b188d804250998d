//! The node: real pods, their network, and what is left of it afterwards.

use tagalong_cluster::{Cluster, Result};

#[tokio::test]
async fn it_starts() -> Result<()> {
    let Some(cluster) = Cluster::shared_with_node().await? else {
        return Ok(());
    };
    println!(
        "{}",
        cluster
            .kubectl(&["get", "pods,nodes", "-A", "-o", "wide"], "")
            .await?
    );
    Ok(())
}
