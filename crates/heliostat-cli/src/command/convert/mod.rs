//! `heliostat convert`: objects from one encoding to another.
//!
//! Input is cut into pieces by [`split`], each piece is taken apart into objects by [`converter`], and
//! [`output`] writes them. Only one piece is in memory at a time.

mod split;

mod converter;

mod output;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::failure::Failure;

use converter::Converter;
use output::Output;
use split::Pieces;

/// What to convert, and to what.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// The files to read; `-` or none reads stdin. Lists are taken apart, and of watch events the
    /// objects are taken
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The encoding of the input; without it each file shows by its first bytes what it is
    #[arg(long, value_enum, value_name = "ENCODING")]
    from: Option<From>,

    /// The encoding of the output
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

/// The encodings of input.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum From {
    /// Objects, lists or watch events, one after another
    Json,
    /// Documents
    Yaml,
    /// Objects or lists as etcd stores them and servers send them, or a watch; custom resources in
    /// JSON among them, as etcd has them
    Protobuf,
}

const EXAMPLES: &str = "\
Examples:
  etcdctl get --print-value-only /registry/pods/shop/web | heliostat convert -o yaml
  heliostat convert pod.yaml -o protobuf | etcdctl put /registry/pods/shop/web
  heliostat convert --from yaml -o name manifests/*.yaml
  curl -H 'Accept: application/vnd.kubernetes.protobuf' $URL/api/v1/pods | heliostat convert -o jsonl";

/// Converts everything that can be converted; fails if something cannot.
pub(crate) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut converter = Converter::new(args.output, &mut out);
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() {
        &stdin[..]
    } else {
        &args.files
    };
    for path in files {
        let is_stdin = path.as_os_str() == "-";
        let name = match is_stdin {
            true => "stdin".to_owned(),
            false => path.display().to_string(),
        };
        converter.begin(&name);
        let input: Box<dyn Read> = match is_stdin {
            true => Box::new(io::stdin().lock()),
            false => match File::open(path) {
                Ok(file) => Box::new(file),
                Err(error) => {
                    converter.fail(&error);
                    continue;
                }
            },
        };
        let mut pieces = Pieces::new(input, args.from);
        loop {
            match pieces.next() {
                Ok(Some(piece)) => converter.convert(&piece).map_err(Failure::Write)?,
                Ok(None) => break,
                // Where the next object begins is not known.
                Err(error) => {
                    converter.fail(&error);
                    break;
                }
            }
        }
    }
    let (objects, failed) = converter.finish();
    out.flush().map_err(Failure::Write)?;
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Unconverted { failed, objects }),
    }
}
