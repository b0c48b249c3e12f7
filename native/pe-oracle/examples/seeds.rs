//! Writes the seeds into a folder: where the fuzzer starts.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: seeds FOLDER"));
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in pe_oracle::seeds::all()? {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
