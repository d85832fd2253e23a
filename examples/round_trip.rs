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
    let first = here.start().await?;
    until_in_sync(&first, "the app is in Git", || true).await?;

    let second = there.start().await?;
    until_in_sync(&second, "the app is there", || there.read(FILE).contains("Orders")).await?;

    there.save(FILE, "{\n  \"title\": \"Purchase orders\"\n}\n")?;
    until_in_sync(&first, "the change came back", || here.read(FILE).contains("Purchase")).await?;

    first.stop().await?;
    second.stop().await?;
    println!("the branch, newest first:");
    for subject in place.subjects()? {
        println!("     {subject}");
    }
    Ok(())
}
