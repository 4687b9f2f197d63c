//! Tests of the directory: addresses, logins, throttling, and what a stranger can tell from the answers.

use super::*;
use crate::password::RUNS;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}
fn account(id: u32, main: &str, aliases: &[&str]) -> Account {
    Account {
        id: AccountId(id),
        address: address(main),
        aliases: aliases.iter().map(|alias| address(alias)).collect(),
        name: SmolStr::default(),
        password: None,
        password_for_mail: false,
        app_passwords: Vec::new(),
    }
}
fn chosen(mut account: Account, password: &str) -> Account {
    (account.password, account.password_for_mail) = (Some(PasswordHash::new(password).unwrap()), true);
    account
}
fn directory(accounts: Vec<Account>) -> Directory {
    let directory = Directory::new();
    directory.replace(accounts, vec![Domain::parse("example.org").unwrap(), Domain::parse("example.net").unwrap()]);
    directory
}
fn accepted(directory: &Directory, user: &str, password: &str) -> Option<u32> {
    match directory.login(user, password, PEER, NOW) {
        Login::Accepted(account) => Some(account.id.0),
        Login::Refused { .. } | Login::Throttled { .. } => None,
    }
}
/// Argon2 runs of one login.
fn runs(directory: &Directory, user: &str, password: &str) -> u32 {
    let before = RUNS.get();
    let _ = accepted(directory, user, password);
    RUNS.get() - before
}

#[test]
fn addresses_lead_to_accounts() {
    let directory =
        directory(vec![account(1, "anna@example.org", &["info@example.net"]), account(2, "ben@example.org", &[])]);
    let to = |text| directory.resolve(&address(text)).map(|account| account.id.0);
    assert_eq!(to("ANNA@Example.org"), Some(1));
    assert_eq!(to("info@example.net"), Some(1));
    assert_eq!(to("info+news@example.net"), Some(1));
    assert_eq!(to("ben+a+b@example.org"), Some(2));
    assert_eq!((to("+a@example.org"), to("info@example.org"), to("ben@example.net")), (None, None, None));
    assert!(directory.is_local(&Domain::parse("EXAMPLE.org").unwrap()));
    assert!(!directory.is_local(&Domain::parse("sub.example.org").unwrap()));
    let anna = directory.account(AccountId(1)).unwrap();
    assert!(
        directory.owns(&anna, &address("anna@example.org")) && directory.owns(&anna, &address("info+x@example.net"))
    );
    assert!(
        !directory.owns(&anna, &address("ben@example.org")) && !directory.owns(&anna, &address("anna@example.net"))
    );
}

#[test]
fn a_real_address_with_a_plus_comes_before_its_detail() {
    let directory = directory(vec![account(1, "a@example.org", &[]), account(2, "a+b@example.org", &[])]);
    assert_eq!(directory.resolve(&address("a+b@example.org")).unwrap().id.0, 2);
    assert_eq!(directory.resolve(&address("a+c@example.org")).unwrap().id.0, 1);
}

#[test]
fn somebody_is_postmaster() {
    assert!(Directory::new().postmaster().is_none());
    let anna = account(1, "anna@example.org", &["postmaster@elsewhere.example"]);
    let ben = account(2, "ben@example.org", &[]);
    let postmaster = |accounts| directory(accounts).postmaster().unwrap().id.0;
    assert_eq!(postmaster(vec![ben.clone(), anna.clone()]), 1, "the lowest number");
    assert_eq!(postmaster(vec![anna, ben, account(3, "carl@example.org", &["Postmaster@example.net"])]), 3);
}

#[test]
fn replacing_removes_accounts_and_domains() {
    let directory = directory(vec![account(1, "anna@example.org", &[])]);
    directory.replace(vec![account(2, "ben@example.org", &[])], vec![]);
    assert!(directory.account(AccountId(1)).is_none() && directory.account(AccountId(2)).is_some());
    assert!(directory.resolve(&address("anna@example.org")).is_none());
    assert!(!directory.is_local(&Domain::parse("example.org").unwrap()));
}

#[test]
fn app_passwords_log_in_by_any_name_of_the_account() {
    let mut anna = account(1, "anna@example.org", &["info@example.net"]);
    let password = anna.add_app_password("phone", 0).unwrap();
    let directory = directory(vec![anna, account(2, "info@example.org", &[])]);
    for user in ["anna@example.org", "ANNA@example.org", " anna@example.org ", "anna", "Anna", "info@example.net"] {
        assert_eq!(accepted(&directory, user, &password), Some(1), "{user}");
    }
    for user in ["info", "info@example.org", "anna@example.net", "anna+x@example.org", "", "@", "anna@"] {
        assert_eq!(accepted(&directory, user, &password), None, "{user}");
    }
    assert_eq!(accepted(&directory, "anna", &password[1..]), None);
}

#[test]
fn a_chosen_password_works_for_mail_only_where_allowed() {
    let mut ben = chosen(account(2, "ben@example.org", &[]), "correct horse");
    ben.password_for_mail = false;
    let directory = directory(vec![chosen(account(1, "anna@example.org", &[]), "correct horse"), ben]);
    assert_eq!(accepted(&directory, "anna", "correct horse"), Some(1));
    assert_eq!(accepted(&directory, "ben", "correct horse"), None);
}

#[test]
fn a_right_chosen_password_is_remembered_until_it_changes() {
    let anna = chosen(account(1, "anna@example.org", &[]), "correct horse");
    let directory = directory(vec![anna.clone()]);
    assert_eq!(runs(&directory, "anna", "correct horse"), 1);
    assert_eq!(runs(&directory, "anna", "correct horse"), 0);
    assert_eq!(runs(&directory, "anna", "wrong horse"), 1);
    assert_eq!(runs(&directory, "anna", "correct horse"), 0);
    directory.replace(vec![anna.clone(), account(2, "ben@example.org", &[])], vec![]);
    assert_eq!(runs(&directory, "anna", "correct horse"), 0, "another account changed");
    directory.replace(vec![chosen(anna, "battery staple")], vec![]);
    assert_eq!(accepted(&directory, "anna", "correct horse"), None);
    assert_eq!(accepted(&directory, "anna", "battery staple"), Some(1));
}

#[test]
fn a_stranger_cannot_tell_by_time_who_exists() {
    let with_chosen = directory(vec![
        chosen(account(1, "anna@example.org", &[]), "correct horse"),
        account(2, "ben@example.org", &[]),
    ]);
    for user in ["anna", "ben", "ghost", "ghost@example.org", "not a name"] {
        assert_eq!(runs(&with_chosen, user, "wrong horse"), 1, "{user}");
        assert_eq!(runs(&with_chosen, user, &"x".repeat(limits::PASSWORD + 1)), 0, "{user}");
    }
    let without = directory(vec![account(2, "ben@example.org", &[])]);
    for user in ["ben", "ghost"] {
        assert_eq!(runs(&without, user, "wrong horse"), 0, "{user}");
    }
}

#[test]
fn a_stranger_cannot_tell_by_delay_or_block_who_exists() {
    let directory = directory(vec![account(1, "anna@example.org", &[])]);
    let answers = |names: [&str; 2], peer: &str| -> Vec<String> {
        let peer = peer.parse().unwrap();
        let login = |n: usize| directory.login(names[n % 2], "wrong", peer, NOW);
        (0..limits::THROTTLE_PAIR as usize + 3).map(|n| format!("{:?}", login(n))).collect()
    };
    let known = answers(["anna", "Anna@example.org"], "192.0.2.1");
    assert_eq!(known, answers(["ghost", "GHOST@example.org"], "192.0.2.2"));
    assert!(known[0].contains("300ms") && known[known.len() - 1].starts_with("Throttled"));
}

#[test]
fn a_throttled_login_is_not_checked_and_other_addresses_are() {
    let mut anna = account(1, "anna@example.org", &[]);
    let password = anna.add_app_password("phone", 0).unwrap();
    let directory = directory(vec![anna]);
    while matches!(directory.login("anna", "wrong", PEER, NOW), Login::Refused { .. }) {}
    assert!(matches!(directory.login("anna", &password, PEER, NOW), Login::Throttled { .. }));
    let elsewhere = "192.0.2.9".parse().unwrap();
    assert!(matches!(directory.login("anna", &password, elsewhere, NOW), Login::Accepted(_)));
    let later = NOW + limits::THROTTLE_LEAK;
    assert!(matches!(directory.login("anna", &password, PEER, later), Login::Accepted(_)));
}

#[test]
fn scram_keys_exist_for_everybody() {
    let mut anna = account(1, "anna@example.org", &[]);
    anna.add_app_password("phone", 0).unwrap();
    anna.add_app_password("laptop", 0).unwrap();
    let expected: Vec<_> = anna.app_passwords.iter().map(|app| app.scram.clone()).collect();
    let directory = directory(vec![anna, account(2, "ben@example.org", &[])]);
    assert_eq!(directory.scram_keys("anna"), expected);
    let ghost = directory.scram_keys("ghost");
    assert_eq!((ghost.len(), ghost[0].salt.len(), ghost[0].iterations), (1, 16, limits::SCRAM_ITERATIONS));
    for spelling in ["GHOST", "ghost@example.org", " ghost@EXAMPLE.ORG"] {
        assert_eq!(directory.scram_keys(spelling), ghost, "{spelling}");
    }
    assert_eq!(directory.scram_keys("ben"), directory.scram_keys("ben@example.org"));
    assert_ne!(directory.scram_keys("ben")[0].salt, ghost[0].salt);
    assert_ne!(directory.scram_keys("ghost@example.net")[0].salt, ghost[0].salt);
    assert_ne!(Directory::new().scram_keys("ghost@example.org"), ghost, "another box has another secret");
    let secret = Secret::generate();
    let started = || Directory::with_secret(secret.clone()).scram_keys("ghost@example.org");
    assert_eq!(started(), started(), "a restart changes nothing");
}

#[test]
fn scram_is_announced_where_every_account_can_use_it() {
    let tls = ChannelBinding { tls_exporter: Some([0; 32]), tls_server_end_point: None };
    let names = |directory: &Directory, tls: &ChannelBinding| -> Vec<_> {
        directory.mechanisms(tls).iter().map(|m| m.name()).collect()
    };
    let mut anna = chosen(account(1, "anna@example.org", &[]), "correct horse");
    assert_eq!(names(&directory(vec![anna.clone()]), &tls), ["PLAIN", "LOGIN"]);
    anna.password_for_mail = false;
    let directory = directory(vec![anna]);
    assert_eq!(names(&directory, &tls), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]);
    assert_eq!(names(&directory, &ChannelBinding::default()), ["SCRAM-SHA-256", "PLAIN", "LOGIN"]);
    let mut ben = account(2, "ben@example.org", &[]);
    ben.app_passwords.extend(["phone", "laptop"].map(|device| AppPassword::generate(device, 0).1));
    directory.replace(vec![ben], vec![]);
    assert_eq!(names(&directory, &tls), ["PLAIN", "LOGIN"], "the laptop would get the phone's salt");
}

#[test]
fn nothing_secret_is_printed() {
    let directory = directory(vec![chosen(account(1, "anna@example.org", &[]), "correct horse")]);
    assert_eq!(format!("{directory:?}"), "Directory { accounts: 1, .. }");
}

#[test]
fn a_lent_login_works_once_from_this_machine_for_a_minute() {
    assert_eq!(directory(vec![]).lend(NOW), None);
    let directory = directory(vec![account(2, "ben@example.org", &[]), account(1, "anna@example.org", &[])]);
    let (user, password) = directory.lend(NOW).unwrap();
    assert_eq!(user, "anna@example.org");
    assert_eq!(accepted(&directory, "ben@example.org", &password), None);
    let elsewhere = directory.login(&user, &password, IpAddr::from([192, 168, 1, 2]), NOW);
    assert!(matches!(elsewhere, Login::Refused { .. }));
    assert_eq!(accepted(&directory, &user, &password), Some(1));
    assert_eq!(accepted(&directory, &user, &password), None);

    let (user, late) = directory.lend(NOW).unwrap();
    let then = NOW + Duration::from_secs(61);
    assert!(matches!(directory.login(&user, &late, PEER, then), Login::Refused { .. }));
}
