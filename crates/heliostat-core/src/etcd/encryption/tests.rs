//! Values encrypted by an independent implementation, and files that kube-apiserver takes or refuses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{DecryptionError, EncryptionConfig, EncryptionKeys};
use crate::etcd::{ValueError, ValueReader};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    etcd_key: String,
    plain: String,
    encrypted: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    provider: String,
    name: String,
    secret: String,
    value: String,
}

impl Vector {
    fn value(&self) -> Vec<u8> {
        bytes(&self.value)
    }

    fn keys(&self) -> EncryptionKeys {
        keys(&[&provider(&self.provider, &[(&self.name, &self.secret)])])
    }

    /// Where the ciphertext begins in the value.
    fn body_start(&self) -> usize {
        format!("k8s:enc:{}:v1:{}:", self.provider, self.name).len()
    }

    fn is_authenticated(&self) -> bool {
        self.provider != "aescbc"
    }
}

fn vectors() -> Vectors {
    let text = include_str!("../../../testdata/etcd/encrypted.json");
    serde_json::from_str(text).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// A provider of a configuration.
fn provider(name: &str, keys: &[(&str, &str)]) -> String {
    let keys = keys
        .iter()
        .map(|(name, secret)| format!("{{name: {name}, secret: {secret}}}"));
    let keys = keys.collect::<Vec<_>>().join(", ");
    format!("{{{name}: {{keys: [{keys}]}}}}")
}

fn file(entries: &[(&str, &[&str])]) -> String {
    let mut file =
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
            .to_owned();
    for (resources, providers) in entries {
        let providers = providers.join(", ");
        file += &format!("- resources: [{resources}]\n  providers: [{providers}]\n");
    }
    file
}

fn keys(providers: &[&str]) -> EncryptionKeys {
    let config = EncryptionConfig::from_yaml(&file(&[("configmaps", providers)]));
    config.unwrap().keys_of("", "configmaps")
}

/// Reads a value and returns it as JSON.
fn read(keys: EncryptionKeys, etcd_key: &str, value: &[u8]) -> Result<String, ValueError> {
    let mut reader = ValueReader::new(keys);
    let object = reader.read(etcd_key.as_bytes(), value, 42)?;
    // A value that was changed where nothing authenticates it may be anything.
    Ok(object.to_json_string().unwrap_or_default())
}

fn reason(keys: EncryptionKeys, etcd_key: &str, value: &[u8]) -> DecryptionError {
    match read(keys, etcd_key, value) {
        Err(ValueError::Encrypted { reason, .. }) => reason,
        other => panic!("it is not an encrypted value that cannot be read: {other:?}"),
    }
}

#[test]
fn what_another_implementation_encrypted_is_decrypted() {
    let vectors = vectors();
    let plain = read(
        EncryptionKeys::default(),
        &vectors.etcd_key,
        &bytes(&vectors.plain),
    )
    .unwrap();
    assert_eq!(vectors.encrypted.len(), 7);
    for vector in &vectors.encrypted {
        let object = read(vector.keys(), &vectors.etcd_key, &vector.value());
        assert_eq!(
            object.as_deref(),
            Ok(&*plain),
            "{} {}",
            vector.provider,
            vector.name
        );
    }
}

#[test]
fn a_value_without_its_key_names_the_provider_and_the_key() {
    let vectors = vectors();
    for vector in &vectors.encrypted {
        let value = vector.value();
        let other_name = provider(&vector.provider, &[("other", &vector.secret)]);
        for keys in [
            EncryptionKeys::default(),
            keys(&["{identity: {}}"]),
            keys(&[&other_name]),
        ] {
            let error = read(keys, &vectors.etcd_key, &value).unwrap_err();
            let ValueError::Encrypted { with, reason } = &error else {
                panic!("{error}");
            };
            assert_eq!(with.provider(), format!("{}:v1", vector.provider));
            assert_eq!(with.key(), vector.name);
            assert_eq!(*reason, DecryptionError::NoKey);
            assert_eq!(
                error.to_string(),
                format!(
                    "the value is encrypted with provider {}:v1 and key \"{}\" and cannot be \
                     decrypted: the encryption configuration has no such key for this resource",
                    vector.provider, vector.name
                )
            );
        }
    }
}

#[test]
fn a_wrong_key_a_changed_value_and_a_cut_one_are_errors() {
    let vectors = vectors();
    let etcd_key = &*vectors.etcd_key;
    for vector in &vectors.encrypted {
        let value = vector.value();
        let wrong: Vec<u8> = bytes(&vector.secret).iter().map(|byte| byte ^ 1).collect();
        let wrong = provider(&vector.provider, &[(&vector.name, &STANDARD.encode(wrong))]);
        match (
            vector.is_authenticated(),
            reason(keys(&[&wrong]), etcd_key, &value),
        ) {
            (true, DecryptionError::Tag)
            | (false, DecryptionError::Padding | DecryptionError::NoObject) => {}
            (_, reason) => panic!("{} {}: {reason}", vector.provider, vector.name),
        }
        for end in vector.body_start()..value.len() {
            let cut = read(vector.keys(), etcd_key, &value[..end]).unwrap_err();
            assert!(matches!(cut, ValueError::Encrypted { .. }), "{end}: {cut}");
        }
        for at in vector.body_start()..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 0x10;
            let read = read(vector.keys(), etcd_key, &changed);
            assert!(read.is_err() || !vector.is_authenticated(), "{at}");
        }
    }
}

#[test]
fn a_value_that_was_copied_to_another_key_is_refused() {
    let vectors = vectors();
    let gcm = vectors
        .encrypted
        .iter()
        .filter(|vector| vector.provider == "aesgcm");
    for vector in gcm {
        let reason = reason(
            vector.keys(),
            "/registry/configmaps/cap/cm-2",
            &vector.value(),
        );
        assert_eq!(reason, DecryptionError::Tag);
    }
}

#[test]
fn cbc_with_a_wrong_key_and_a_valid_padding_is_no_object() {
    let vectors = vectors();
    let vector = vectors
        .encrypted
        .iter()
        .find(|vector| vector.provider == "aescbc")
        .unwrap();
    let value = vector.value();
    let key = (0..=u16::MAX).map(|number| {
        let mut key = [7; 16];
        key[..2].copy_from_slice(&number.to_le_bytes());
        keys(&[&provider(
            "aescbc",
            &[(&vector.name, &STANDARD.encode(key))],
        )])
    });
    let mut reasons = key.map(|key| reason(key, &vectors.etcd_key, &value));
    assert!(reasons.any(|reason| reason == DecryptionError::NoObject));
}

#[test]
fn every_key_of_the_name_is_tried() {
    let vectors = vectors();
    for vector in &vectors.encrypted {
        let wrong: Vec<u8> = bytes(&vector.secret).iter().map(|byte| byte ^ 1).collect();
        let wrong = provider(&vector.provider, &[(&vector.name, &STANDARD.encode(wrong))]);
        let right = provider(
            &vector.provider,
            &[("newer", &vector.secret), (&vector.name, &vector.secret)],
        );
        let keys = keys(&["{identity: {}}", &wrong, &right]);
        assert!(read(keys, &vectors.etcd_key, &vector.value()).is_ok());
    }
}

#[test]
fn a_kms_value_is_refused_by_name() {
    let config = file(&[(
        "configmaps",
        &[
            "{kms: {apiVersion: v2, name: vault, endpoint: 'unix:///a', timeout: 3s}}",
            "{identity: }",
        ],
    )]);
    let keys = EncryptionConfig::from_yaml(&config)
        .unwrap()
        .keys_of("", "configmaps");
    let error = read(
        keys,
        "/registry/configmaps/a/b",
        b"k8s:enc:kms:v2:vault:\xff\xfe",
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value is encrypted with provider kms:v2 and key \"vault\" and cannot be decrypted: \
         KMS providers are not supported"
    );
}

#[test]
fn a_prefix_without_names_shows_nothing_of_what_follows() {
    let long = ["k8s:enc:aescbc:v1:", &"s".repeat(300), ":"].concat();
    for value in [
        &b"k8s:enc:"[..],
        b"k8s:enc:s3cret",
        b"k8s:enc:aescbc:v1:s3cret",
        b"k8s:enc:aescbc:v1:\xff:s3cret",
        long.as_bytes(),
    ] {
        let error = read(EncryptionKeys::default(), "/a", value).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("a provider that it does not name"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("sss"), "{text}");
    }
}

#[test]
fn the_first_entry_that_matches_decides() {
    let secret = STANDARD.encode([7; 32]);
    let of = |name: &str| provider("aesgcm", &[(name, &secret)]);
    let [exact, again, group, all] = ["exact", "again", "group", "all"].map(of);
    let names = |entries: &[(&str, &[&str])], group: &str, plural: &str| {
        let config = EncryptionConfig::from_yaml(&file(entries)).unwrap();
        config.keys_of(group, plural).names().join(" ")
    };
    let entries: &[(&str, &[&str])] = &[
        ("secrets, deployments.apps", &[&exact]),
        ("secrets", &[&again]),
        ("'*.apps'", &[&group]),
        ("'*.*'", &[&all]),
        ("configmaps", &[&exact]),
    ];
    assert_eq!(names(entries, "", "secrets"), "exact again");
    assert_eq!(names(entries, "apps", "deployments"), "exact");
    assert_eq!(names(entries, "apps", "statefulsets"), "group");
    assert_eq!(names(entries, "example.com", "widgets"), "all");
    assert_eq!(names(entries, "", "configmaps"), "all");
    let core: &[(&str, &[&str])] = &[("'*.'", &[&group]), ("events", &[&exact])];
    assert_eq!(names(core, "", "secrets"), "group");
    assert_eq!(names(core, "events.k8s.io", "events"), "group");
    assert_eq!(names(core, "apps", "deployments"), "");
}

#[test]
fn a_file_that_kube_apiserver_refuses_is_refused_with_its_field() {
    let secret = STANDARD.encode([7; 32]);
    let good = provider("secretbox", &[("a", &secret)]);
    let refused = |file: &str| {
        let error = EncryptionConfig::from_yaml(file).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(&secret[..8]), "{text}");
        error.to_string()
    };
    let check = |resources: &str, providers: &[&str], field: &str| {
        let error = refused(&file(&[("pods", &[&good]), (resources, providers)]));
        let expected = format!("resources[1].{field}: ");
        assert!(error.starts_with(&expected), "{error}, want {expected}");
    };
    check("", &[&good], "resources");
    for name in [
        "'*'",
        "'*.a*'",
        "Secrets",
        "'po*'",
        "'*secrets.*'",
        "''",
        "'.apps'",
    ] {
        check(&format!("pods, {name}"), &[&good], "resources[1]");
    }
    check("secrets", &[], "providers");
    check("secrets", &["{}"], "providers[0]");
    check(
        "secrets",
        &[&good, "{identity: {}, kms: {}}"],
        "providers[1]",
    );
    check("secrets", &["{aesgmc: {}}"], "providers[0].aesgmc");
    check("secrets", &["{aescbc: {}}"], "providers[0].aescbc.keys");
    let key = |name: &str, secret: &str| provider("aesgcm", &[("ok", &good_key()), (name, secret)]);
    check(
        "secrets",
        &[&key("''", &secret)],
        "providers[0].aesgcm.keys[1].name",
    );
    check(
        "secrets",
        &[&key("'a:b'", &secret)],
        "providers[0].aesgcm.keys[1].name",
    );
    check(
        "secrets",
        &[&key("b", "'%'")],
        "providers[0].aesgcm.keys[1].secret",
    );
    check(
        "secrets",
        &[&key("b", "''")],
        "providers[0].aesgcm.keys[1].secret",
    );
    check(
        "secrets",
        &[&key("b", "QUJD")],
        "providers[0].aesgcm.keys[1].secret",
    );

    assert!(refused("kind: Pod\napiVersion: v1").starts_with("the file is v1, Kind=Pod"));
    let unknown = file(&[("secrets", &[&good])]).replace("secret:", "secrets:");
    assert_eq!(
        refused(&unknown),
        "the encryption configuration cannot be read: line 5"
    );
    assert!(refused(&format!("[{secret}")).starts_with("the encryption configuration cannot be"));
    let no_entries = EncryptionConfig::from_yaml(&file(&[])).unwrap_err();
    assert_eq!(no_entries.to_string(), "resources: there are none");
}

fn good_key() -> String {
    STANDARD.encode([7; 32])
}

#[test]
fn nothing_shows_a_key() {
    let secret = STANDARD.encode([0xab; 32]);
    let yaml = file(&[("secrets", &[&provider("aescbc", &[("key1", &secret)])])]);
    let config = EncryptionConfig::from_yaml(&yaml).unwrap();
    let shown = format!("{config:?} {:?}", config.keys_of("", "secrets"));
    assert!(shown.contains("key1"));
    assert!(!shown.contains("171") && !shown.contains("ab, ab") && !shown.contains(&secret));
}
