//! The first start with 100,000 files that are already equal on both sides.

use std::path::Path;
use std::time::Instant;

use crate::Size;
use crate::instance::Instance;
use crate::peer;
use crate::place::{Place, run};
use crate::table::Table;

const FILES: usize = 100;
const ROUNDS: usize = 3;

/// From the start of the program until it says that both sides are equal, against `git clone` over the same sshd.
pub(crate) fn start_with_equal_sides(place: &Place, size: Size, table: &mut Table) {
    let files = size.large_apps * FILES;
    let bare = peer::bare_of(place, "large", size.large_apps, FILES);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("large_{round}");
        peer::write_apps(&place.path(&format!("{name}_apps")), size.large_apps, FILES);
        run(&mut std::process::Command::new("sync"));
        let mut instance = Instance::start(place, &name, &bare, place.port, "10s");
        instance.wait_until_in_sync();
        ours.push(instance.started.elapsed());
        if round + 1 == ROUNDS {
            report(&instance, size, files, table);
        }
        drop(instance);
        let clone = place.path(&format!("{name}_clone"));
        let begun = Instant::now();
        let url = place.url(&bare, place.port);
        run(place.git(Path::new("/"), place.port).args(["clone", "-q", &url]).arg(&clone));
        theirs.push(begun.elapsed());
        std::fs::remove_dir_all(clone).unwrap();
    }
    table.times(&format!("first start, {files} files equal on both sides; `git clone`"), &ours, &theirs);
}

/// What the large repository costs while it is followed.
fn report(instance: &Instance, size: Size, files: usize, table: &mut Table) {
    table.value(&format!("memory with {files} files (VmRSS)"), &instance.memory_mib("VmRSS:"));
    table.value("the same, the most so far (VmHWM)", &instance.memory_mib("VmHWM:"));
    let mut saves: Vec<_> = (0..5)
        .map(|round| {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let app = (round * 11) % size.large_apps;
            instance.save(&peer::file_path(app, 0), &peer::content(app, 0, round + 1_000 + files))
        })
        .collect();
    saves.sort_unstable();
    table.value(&format!("saved file → remote ref among {files} files (median of 5)"), &format!("{:.2?}", saves[2]));
}
