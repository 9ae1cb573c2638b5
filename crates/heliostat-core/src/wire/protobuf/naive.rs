//! Protobuf read in the plainest way, as an oracle for tests and fuzz targets (which include this file
//! by its path). It shares nothing with the decoders but the format.

/// What a field holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Naive {
    /// A varint.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(Vec<u8>),
    /// Four or eight bytes.
    Fixed,
}

/// The fields of a message up to its end or to where it is broken, and whether it is whole.
pub(crate) fn fields(message: &[u8]) -> (Vec<(u64, Naive)>, bool) {
    let mut fields = Vec::new();
    let mut bytes = message.to_vec();
    while !bytes.is_empty() {
        match take_field(&mut bytes) {
            Some(field) => fields.push(field),
            None => return (fields, false),
        }
    }
    (fields, true)
}

/// The texts and messages of one number, if the message is whole.
pub(crate) fn runs(message: &[u8], number: u64) -> Option<Vec<Vec<u8>>> {
    let (fields, true) = fields(message) else {
        return None;
    };
    let runs = fields.into_iter().filter_map(|field| match field {
        (found, Naive::Bytes(bytes)) if found == number => Some(bytes),
        _ => None,
    });
    Some(runs.collect())
}

/// Name, namespace, uid and version of an object; none if the message or its metadata is broken.
pub(crate) fn identity(message: &[u8]) -> Option<[String; 4]> {
    // Messages are merged by putting their bytes one after the other, if each is whole.
    let metadata = runs(message, 1)?;
    if !metadata.iter().all(|metadata| fields(metadata).1) {
        return None;
    }
    let metadata = metadata.concat();
    let text = |number| {
        let texts = runs(&metadata, number)?.into_iter();
        let texts: Option<Vec<String>> = texts.map(|text| String::from_utf8(text).ok()).collect();
        Some(texts?.pop().unwrap_or_default())
    };
    Some([text(1)?, text(3)?, text(5)?, text(6)?])
}

fn take_field(bytes: &mut Vec<u8>) -> Option<(u64, Naive)> {
    let tag = take_number(bytes)?;
    let value = match tag % 8 {
        0 => Naive::Number(take_number(bytes)?),
        1 => take(bytes, 8).map(|_| Naive::Fixed)?,
        2 => {
            let length = take_number(bytes)?;
            Naive::Bytes(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| Naive::Fixed)?,
        _ => return None,
    };
    let number = tag / 8;
    (1..1 << 29).contains(&number).then_some((number, value))
}

fn take(bytes: &mut Vec<u8>, length: u64) -> Option<Vec<u8>> {
    if length > bytes.len() as u64 {
        return None;
    }
    Some(bytes.drain(..length as usize).collect())
}

fn take_number(bytes: &mut Vec<u8>) -> Option<u64> {
    let mut number = 0u128;
    for place in 0..10 {
        let byte = *take(bytes, 1)?.first()?;
        number += u128::from(byte % 128) << (7 * place);
        if byte < 128 {
            return u64::try_from(number).ok();
        }
    }
    None
}
