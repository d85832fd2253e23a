//! A round trip: an app saved on one instance becomes a commit, arrives at a second one, and a change there comes back.
//!
//! `cargo run --example round_trip`

mod common;

use common::{Place, until_in_sync};

const FILE: &str = "PO App/screens/Screen 1/meta.json";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let place = Place::new()?;
    let (here, there) = (place.instance("here")?, place.instance("there")?);

    here.save(FILE, "{\n  \"title\": \"Orders\"\n}\n")?;
    let at_here = here.start().await?;
    until_in_sync(&at_here, "the app is in Git", || true).await?;

    let at_there = there.start().await?;
    until_in_sync(&at_there, "the app is there", || there.read(FILE).contains("Orders")).await?;

    there.save(FILE, "{\n  \"title\": \"Purchase orders\"\n}\n")?;
    until_in_sync(&at_here, "the change came back", || here.read(FILE).contains("Purchase")).await?;

    at_here.stop().await?;
    at_there.stop().await?;
    println!("the branch, newest first:");
    for subject in place.subjects()? {
        println!("     {subject}");
    }
    Ok(())
}
