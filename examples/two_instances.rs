//! Two instances change one app: different values are merged; the same value is a conflict, which keeps both sides until a
//! person chooses.
//!
//! `cargo run --example two_instances`

mod common;

use appferry::daemon::Daemon;
use appferry::domain::status::{AppState, RepositoryStatus};
use common::{Instance, Place, until, until_in_sync};

const FILE: &str = "PO App/screens/Screen 1/meta.json";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let place = Place::new()?;
    let (dev, qa) = (place.instance("dev")?, place.instance("qa")?);
    save(&dev, "red", 12)?;
    let at_dev = dev.start().await?;
    until_in_sync(&at_dev, "the app is in Git", || true).await?;
    let at_qa = qa.start().await?;
    until_in_sync(&at_qa, "the app is at qa", || !qa.read(FILE).is_empty()).await?;

    println!("\nqa is away while both change something else:");
    at_qa.stop().await?;
    save(&dev, "green", 12)?;
    pushed(&place, &at_dev, 2).await?;
    save(&qa, "red", 6)?;
    let at_qa = qa.start().await?;
    let merged = |instance: &Instance| instance.read(FILE).contains("green") && instance.read(FILE).contains('6');
    until_in_sync(&at_qa, "both changes are at qa", || merged(&qa)).await?;
    until_in_sync(&at_dev, "both changes are at dev", || merged(&dev)).await?;

    println!("\nqa is away while both change the same value:");
    at_qa.stop().await?;
    save(&dev, "white", 6)?;
    pushed(&place, &at_dev, 4).await?;
    save(&qa, "black", 6)?;
    let at_qa = qa.start().await?;
    until(&at_qa, "the app is in conflict, and held", is_in_conflict).await?;
    for app in at_qa.status().repositories.iter().flat_map(|repository| &repository.apps) {
        println!("     {}: {}", app.name, app.reason.as_deref().unwrap_or_default());
    }
    println!("     the branches now: {}", place.branches()?.join(", "));

    println!(
        "\nsomebody at qa settles it by saving what the other side has (`appferry sync resolve` does it in one step):"
    );
    save(&qa, "white", 6)?;
    until_in_sync(&at_qa, "the app is in sync again", || true).await?;
    at_dev.stop().await?;
    at_qa.stop().await
}

fn save(instance: &Instance, color: &str, width: u32) -> anyhow::Result<()> {
    instance.save(FILE, &format!("{{\n  \"color\": \"{color}\",\n  \"width\": {width}\n}}\n"))
}

/// Waits until the branch has that many commits, all of them seen by this instance.
async fn pushed(place: &Place, daemon: &Daemon, commits: usize) -> anyhow::Result<()> {
    until_in_sync(daemon, "the change is in Git", || place.subjects().is_ok_and(|all| all.len() >= commits)).await
}

fn is_in_conflict(repository: &RepositoryStatus) -> bool {
    repository.apps.iter().any(|app| app.state == AppState::Conflict)
}
