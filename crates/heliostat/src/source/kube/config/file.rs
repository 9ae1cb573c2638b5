//! Reading a file that a configuration names: within a size, within a time, and cancellable.
//!
//! Regular files and named pipes are read; a pipe without a writer is waited for. Devices are refused,
//! except the null device, by which users say "no kubeconfig".

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The size limit of a file, and of what an exec plugin prints. The API server's own limit for an object
/// is 3 MiB, and a kubeconfig for a thousand clusters fits.
pub(in super::super) const BYTES_MAX: u64 = 4 << 20;

/// How long a file may take to be read: a pipe whose writer asks its user for something first.
const READ_WAIT: Duration = Duration::from_secs(60);

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {error}", path.display())]
pub(in super::super) struct FileError {
    pub(in super::super) path: PathBuf,
    pub(in super::super) error: io::Error,
}

/// Reads a whole file. Cancel safe, in that nothing is left to do by a dropped future.
pub(in super::super) async fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = match tokio::time::timeout(READ_WAIT, read_within_limits(path)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("nothing was written to it within {READ_WAIT:?}"),
        )),
    };
    bytes.map_err(|error| FileError {
        path: path.to_owned(),
        error,
    })
}

async fn read_within_limits(path: &Path) -> io::Result<Vec<u8>> {
    let file_type = tokio::fs::metadata(path).await?.file_type();
    if file_type.is_file() {
        return read_to_limit(tokio::fs::File::open(path).await?).await;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;

        if file_type.is_fifo() {
            // Opened without blocking, where a plain open would wait for a writer.
            let pipe = tokio::net::unix::pipe::OpenOptions::new().open_receiver(path)?;
            return read_to_limit(pipe).await;
        }
    }
    if tokio::fs::canonicalize(path).await? == Path::new("/dev/null") {
        return Ok(Vec::new());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is neither a file nor a pipe",
    ))
}

async fn read_to_limit(input: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(BYTES_MAX + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB", BYTES_MAX >> 20),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("heliostat-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    async fn problem(path: &Path) -> String {
        read(path).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn files_have_a_size_limit_and_devices_are_refused() {
        let folder = folder("file-limits");
        let sparse = folder.join("sparse");
        let file = std::fs::File::create(&sparse).unwrap();
        file.set_len(4 << 30).unwrap();
        assert!(problem(&sparse).await.ends_with("larger than 4 MiB"));
        file.set_len(BYTES_MAX).unwrap();
        assert_eq!(read(&sparse).await.unwrap().len() as u64, BYTES_MAX);
        assert!(
            problem(&folder)
                .await
                .ends_with("neither a file nor a pipe")
        );
        assert!(problem(&folder.join("none")).await.contains("No such file"));
        #[cfg(unix)]
        {
            let zero = problem(Path::new("/dev/zero")).await;
            assert_eq!(
                zero,
                "cannot read /dev/zero: it is neither a file nor a pipe"
            );
            assert!(read(Path::new("/dev/null")).await.unwrap().is_empty());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    fn pipe_in(folder: &Path) -> PathBuf {
        let pipe = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        pipe
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_pipe_is_read_to_its_end() {
        let folder = folder("file-pipe");
        let pipe = pipe_in(&folder);
        // Opens once there is a reader.
        let writer = pipe.clone();
        let writing = tokio::task::spawn_blocking(move || std::fs::write(writer, "text"));
        assert_eq!(read(&pipe).await.unwrap(), b"text");
        writing.await.unwrap().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_pipe_without_a_writer_is_given_up() {
        let folder = folder("file-silent-pipe");
        assert!(problem(&pipe_in(&folder)).await.contains("within 60s"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
