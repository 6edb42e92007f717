//! Lists the catalog's files for `src/lib.rs`, which includes them: no file is forgotten, none is named by hand.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("c-pg-1");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    // The approved baselines have a folder of their own.
    for within in ["", "baseline/"] {
        let folder = folder.join(within);
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let name = entry?
                .file_name()
                .into_string()
                .map_err(|name| format!("{} is not UTF-8", name.display()))?;
            if name.ends_with(".toml") || name.ends_with(".sql") || name == "lineage.json" {
                names.push(format!("{within}{name}"));
            }
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for name in names {
        let path = folder.join(&name);
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(
            list,
            "    ({name:?}, include_str!({:?})),",
            path.display().to_string()
        )?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("files.rs"), list)?;
    Ok(())
}
