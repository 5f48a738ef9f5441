//! Handing a sign-in on: the pages of the browser that mints, the device that opens the link, and the list of devices.

use passlink_engine::apps::{HandoffRevocation, Opening};
use passlink_engine::time::Lifetime;
use serde_json::json;

use crate::support::{Answer, Browser, Kind, TestApp, between};

/// Somebody signed in at our own host.
async fn signed_in<'a>(app: &'a TestApp, kind: Kind, email: &str) -> Browser<'a> {
    let person = app.browser(kind);
    let screen = person.ask(email).await;
    let code = app.mail().await.code;
    let done = person.press(&person.visit(&screen).await, "/code", &[("code", &code)]).await;
    assert_eq!(done.location(), "/signed-in");
    person
}

/// Mints a link; answers the page that shows it.
async fn hand_off(person: &Browser<'_>, label: &str) -> (String, Answer) {
    let asks = person.visit("/handoff").await;
    let minted = person.press(&asks, "/handoff", &[("label", label)]).await;
    assert_eq!(minted.status, 303, "{}", minted.body);
    let path = minted.location().to_owned();
    let shown = person.visit(&path).await;
    (path, shown)
}

/// The path of the link on the page that shows it.
fn link(shown: &Answer) -> String {
    let link = between(&shown.body, "<code id=\"link\">", "<").unwrap_or_else(|| panic!("no link: {}", shown.body));
    link.strip_prefix(crate::support::PUBLIC).expect("one of ours").to_owned()
}

async fn state(person: &Browser<'_>, path: &str) -> String {
    person.visit(&format!("{path}/status")).await.json()["state"].as_str().unwrap().to_owned()
}

/// The devices in a person's list: name, and what stands below it.
fn devices(list: &Answer) -> Vec<(String, String)> {
    let rows = list.body.split("<p class=\"device-name\">").skip(1);
    let plain = |html: &str| html.replace("</span><span>", "; ").replace("<bdi>", "").replace("</bdi>", "").replace("&#39;", "'");
    rows.map(|row| {
        let name = between(row, "<bdi>", "</bdi>").unwrap();
        let more = between(row, "<p class=\"device-more\"><span>", "</span></p>").unwrap();
        let this = if row.split("</li>").next().unwrap().contains("class=\"tag\"") { " (this)" } else { "" };
        (format!("{}{this}", plain(name)), plain(more))
    })
    .collect()
}

/// The form that signs out the device of this name.
fn sign_out_of(list: &Answer, name: &str) -> String {
    let button = format!("aria-label=\"Sign out {name}\"");
    let form =
        list.body.split("<form").find(|form| form.contains(&button)).unwrap_or_else(|| panic!("no {button}: {}", list.body));
    between(form, "action=\"", "\"").unwrap().to_owned()
}

async fn is_in(person: &Browser<'_>) -> bool {
    person.visit("/signed-in").await.status == 200
}

#[tokio::test]
async fn a_laptop_signs_a_phone_in_and_out_again() {
    let app = TestApp::dev().await;
    let laptop = signed_in(&app, Kind::Firefox, "ada@example.com").await;
    let phone = app.browser(Kind::SafariIos);
    let (path, shown) = hand_off(&laptop, "Ada's phone").await;
    assert_eq!((shown.title(), state(&laptop, &path).await.as_str()), ("Scan this with the other device", "pending"));
    assert!(shown.body.contains(&format!("src=\"{path}/qr.svg\"")) && shown.body.contains("Works once, for 15 minutes more."));

    let opened = phone.open(&link(&shown)).await;
    assert_eq!(opened.title(), "Sign in to Example on this device");
    assert!(opened.body.contains("You are about to be signed in on this device as a•••@e•••.com."), "{}", opened.body);
    assert_eq!(opened.forms().len(), 1);
    assert_eq!(state(&laptop, &path).await, "pending", "opening changes nothing");
    let pressed = phone.press(&opened, "", &[]).await;
    assert_eq!((pressed.status.as_u16(), pressed.location()), (303, "/signed-in"));

    assert_eq!(state(&laptop, &path).await, "redeemed");
    let done = laptop.visit(&path).await;
    assert_eq!(done.title(), "Your other device is signed in");
    assert!(done.body.contains("Safari on iPhone") && done.body.contains("Ada&#39;s phone"), "{}", done.body);
    assert!(!done.body.contains("plk_"), "the link is not shown any more");
    for picture in ["qr.svg", "qr.png"] {
        assert_eq!(laptop.visit(&format!("{path}/{picture}")).await.status, 404, "{picture} of a used link");
    }
    let listed = devices(&laptop.visit("/signed-in").await);
    assert_eq!(listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Firefox on Linux (this)", "Ada's phone"]);
    assert!(listed[1].1.starts_with("Safari on iPhone; Since 20") && listed[1].1.ends_with("; Via Firefox on Linux"));
    let theirs = phone.visit("/signed-in").await;
    let listed = devices(&theirs);
    assert_eq!(listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Firefox on Linux", "Ada's phone (this)"]);

    // "Sign it out" on the page that tells of it.
    let gone = laptop.press(&done, &sign_out_path(&done), &[]).await;
    assert_eq!(gone.location(), "/signed-in");
    assert!(!is_in(&phone).await && is_in(&laptop).await);
    assert_eq!(laptop.visit(&path).await.title(), "That device is signed out again");
}

fn sign_out_path(page: &Answer) -> String {
    page.forms().into_iter().find(|form| form.action.starts_with("/sign-out/")).expect("a way to sign it out").action
}

#[tokio::test]
async fn signing_a_parent_out_signs_its_children_out_unless_the_app_wants_otherwise() {
    let app = TestApp::dev().await;
    for policy in [HandoffRevocation::Cascade, HandoffRevocation::Independent] {
        app.change(|settings| settings.handoff_revocation = policy).await;
        let cascades = policy == HandoffRevocation::Cascade;
        let laptop = signed_in(&app, Kind::Chrome, "ada@example.com").await;
        let (phone, tablet) = (app.browser(Kind::SafariIos), app.browser(Kind::Firefox));
        phone.redeem(&link(&hand_off(&laptop, "phone").await.1)).await;
        let (_, shown) = hand_off(&phone, "tablet").await;
        tablet.redeem(&link(&shown)).await;
        let (_, pending) = hand_off(&phone, "").await;
        let list = laptop.visit("/signed-in").await;
        assert_eq!(
            devices(&list).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["Chrome on Windows (this)", "phone", "tablet"]
        );
        assert_eq!(list.body.contains("also signs out those it signed in"), cascades);
        // From the laptop's list, the phone; and with it what it signed in.
        assert_eq!(laptop.press(&list, &sign_out_of(&list, "phone"), &[]).await.location(), "/signed-in");
        assert!(!is_in(&phone).await && is_in(&laptop).await);
        assert_eq!(is_in(&tablet).await, !cascades, "{policy:?}");
        let late = app.browser(Kind::Chrome).open(&link(&pending)).await;
        assert_eq!((late.status.as_u16(), late.title()), (410, "The other device has signed out"));
        // The button for one's own browser honours the policy too.
        let phone = app.browser(Kind::SafariIos);
        phone.redeem(&link(&hand_off(&laptop, "phone").await.1)).await;
        assert!(is_in(&phone).await);
        laptop.press(&laptop.visit("/signed-in").await, "/sign-out", &[]).await;
        assert_eq!(is_in(&phone).await, !cascades, "{policy:?}");
        for left in [&phone, &tablet] {
            let list = left.visit("/signed-in").await;
            if list.status == 200 {
                left.press(&list, "/sign-out", &[]).await;
            }
        }
    }
}

#[tokio::test]
async fn a_child_that_signs_its_parent_out_goes_with_it() {
    let app = TestApp::dev().await;
    let laptop = signed_in(&app, Kind::Chrome, "ada@example.com").await;
    let phone = app.browser(Kind::SafariIos);
    phone.redeem(&link(&hand_off(&laptop, "").await.1)).await;
    let list = phone.visit("/signed-in").await;
    let out = phone.press(&list, &sign_out_of(&list, "Chrome on Windows"), &[]).await;
    assert_eq!((out.location(), phone.cookie("__Host-passlink-session")), ("/", None));
    assert!(!is_in(&laptop).await && !is_in(&phone).await);
}

#[tokio::test]
async fn sec_37_a_hand_off_is_for_its_minter_alone() {
    let app = TestApp::dev().await;
    let ada = signed_in(&app, Kind::Chrome, "ada@example.com").await;
    let bob = signed_in(&app, Kind::Firefox, "bob@example.com").await;
    let adas_other = signed_in(&app, Kind::SafariOld, "ada@example.com").await;
    let stranger = app.browser(Kind::Chrome);
    let (path, shown) = hand_off(&ada, "").await;
    for picture in ["qr.svg", "qr.png"] {
        assert_eq!(ada.visit(&format!("{path}/{picture}")).await.status, 200, "{picture}");
    }
    for other in [&bob, &adas_other, &stranger] {
        for what in ["", "/qr.svg", "/qr.png"] {
            let answer = other.visit(&format!("{path}{what}")).await;
            assert_eq!(answer.status, 404, "{what}");
            assert!(!answer.body.contains("plk_") && answer.header("cache-control") == Some("no-store"), "{what}");
        }
        assert_eq!(state(other, &path).await, "dead");
    }
    let nonsense = ada.visit("/handoff/nonsense").await;
    assert_eq!(nonsense.status, 404);
    assert!(nonsense.body.contains("href=\"/signed-in\""), "a way on");
    // Nor does anybody end another's session: the answer is that of a session that has ended.
    let list = bob.visit("/signed-in").await;
    let adas = sign_out_of(&adas_other.visit("/signed-in").await, "Chrome on Windows");
    let form = list.form("/sign-out");
    let body = crate::support::browser::form_body(&form.nonce, &[]);
    let answer = bob.request("POST", &adas, &bob.press_headers(), body).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/signed-in"));
    assert!(is_in(&ada).await && is_in(&bob).await);
    // What the link is for was never in question: it signs in Ada.
    stranger.redeem(&link(&shown)).await;
    assert!(stranger.visit("/signed-in").await.body.contains("ada@example.com"));
}

#[tokio::test]
async fn sec_12_only_a_press_on_our_own_page_mints_and_signs_out() {
    let app = TestApp::dev().await;
    let person = signed_in(&app, Kind::Chrome, "ada@example.com").await;
    let other = signed_in(&app, Kind::Firefox, "ada@example.com").await;
    let (asks, list) = (person.visit("/handoff").await, person.visit("/signed-in").await);
    let links = app.rows("links").len();
    let device = sign_out_of(&list, "Firefox on Linux");
    for (path, page) in [("/handoff".to_owned(), &asks), (device, &list)] {
        let form = page.form(&path);
        let good = crate::support::browser::form_body(&form.nonce, &[]);
        let no_nonce = person.request("POST", &path, &person.press_headers(), "label=x".to_owned()).await;
        let foreign = person.request("POST", &path, &person.press_headers_of("https://evil.test"), good.clone()).await;
        let stolen = other.request("POST", &path, &other.press_headers(), good).await;
        for (what, answer) in [("no nonce", no_nonce), ("another site", foreign), ("another browser's nonce", stolen)] {
            assert_eq!(answer.status, 403, "{path}: {what}");
        }
    }
    assert_eq!(app.rows("links").len(), links);
    assert!(is_in(&other).await);
}

#[tokio::test]
async fn what_has_expired_offers_a_new_one_of_the_same_name() {
    let app = TestApp::dev().await;
    let person = signed_in(&app, Kind::Chrome, "ada@example.com").await;
    let (path, shown) = hand_off(&person, "phone").await;
    app.clock.advance_secs(14 * 60);
    assert!(person.visit(&path).await.body.contains("for 60 seconds more"));
    app.clock.advance_secs(60);
    assert_eq!(state(&person, &path).await, "dead");
    let over = person.visit(&path).await;
    assert_eq!(over.title(), "This QR code has expired");
    assert_eq!(app.browser(Kind::SafariIos).open(&link(&shown)).await.title(), "This link has expired");
    let again = person.press(&over, "/handoff", &[("label", "phone")]).await;
    assert!(over.body.contains("name=\"label\" value=\"phone\""));
    let shown = person.visit(again.location()).await;
    assert!(shown.body.contains("<bdi>phone</bdi>"), "{}", shown.body);
}

#[tokio::test]
async fn minting_is_bounded_and_labels_are_checked() {
    let app = TestApp::dev().await;
    let person = signed_in(&app, Kind::Chrome, "ada@example.com").await;
    let asks = person.visit("/handoff").await;
    for bad in ["x".repeat(65), "a\u{202e}b".to_owned(), "a\nb".to_owned()] {
        let answer = person.press(&asks, "/handoff", &[("label", &bad)]).await;
        assert_eq!(answer.status, 400, "{bad:?}");
        assert!(answer.body.contains("id=\"label-error\""));
    }
    assert_eq!(person.press(&asks, "/handoff", &[("label", "   ")]).await.status, 303, "blanks are no name");
    app.change(|settings| {
        settings.limit_handoffs_per_user = passlink_engine::limits::Limit::new(2, Lifetime::from_minutes(15));
    })
    .await;
    let statuses = [(); 4].map(|()| person.press(&asks, "/handoff", &[]));
    let mut answered = Vec::new();
    for status in statuses {
        answered.push(status.await.status.as_u16());
    }
    assert!(answered.starts_with(&[303]) && answered.ends_with(&[429]), "{answered:?}");
}

#[tokio::test]
async fn under_immediate_opening_is_enough_and_a_preview_is_not() {
    let app = TestApp::dev().await;
    let person = signed_in(&app, Kind::Chrome, "ada@example.com").await;
    app.change(|settings| settings.opening = Opening::Immediate).await;
    let (path, shown) = hand_off(&person, "").await;
    let phone = app.browser(Kind::SafariIos);
    let link = link(&shown);
    app.anonymous("HEAD", &link, &[], "").await;
    app.anonymous("GET", &link, &[("sec-purpose", "prefetch")], "").await;
    assert_eq!(state(&person, &path).await, "pending");
    assert_eq!(phone.open(&link).await.location(), "/signed-in");
    assert_eq!(state(&person, &path).await, "redeemed");
}

/// A session that came to the app by AppHandoff can be handed on as well, and ends by the app's own logout with what it handed on.
#[tokio::test]
async fn an_apps_own_session_hands_off_too() {
    let app = TestApp::dev().await;
    let answer = app.browser(Kind::Chrome).redeem(app.link_for("ada@example.com").await.path()).await;
    let person = app.browser(Kind::Chrome);
    let tokens = json!({"access_token": answer.handed("access_token"), "refresh_token": answer.handed("refresh_token")});
    let exchanged = person.fetch("POST", "/auth/exchange-supabase-token", crate::support::PUBLIC, Some(tokens)).await;
    assert_eq!(exchanged.status, 200, "{}", exchanged.body);
    let phone = app.browser(Kind::SafariIos);
    phone.redeem(&link(&hand_off(&person, "phone").await.1)).await;
    assert!(is_in(&phone).await);
    person.fetch("POST", "/auth/logout", crate::support::PUBLIC, None).await;
    assert!(!is_in(&phone).await);
}
