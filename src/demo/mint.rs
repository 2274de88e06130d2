//! Makes the brand and all it needs through the API.

use serde_json::{Value, json};

use super::cast::{CAMPAIGNS, CREATORS};
use super::desk::Desk;
use super::plan::Plan;
use super::{DemoError, Stage};

/// What the API called the things it made, each at the place it has in the plan.
#[derive(Debug)]
pub(super) struct Minted {
    pub(super) brand: String,
    pub(super) creators: Vec<String>,
    campaigns: Vec<String>,
    pub(super) slugs: Vec<String>,
    pub(super) codes: Vec<String>,
    pub(super) read_key: String,
}

fn text(from: &Value, name: &str) -> Result<String, DemoError> {
    from[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| DemoError::Strange {
            what: name.to_owned(),
            body: from.to_string(),
        })
}

/// `Demo`, or `Demo 2` where there is one already.
async fn free_name(desk: &Desk) -> Result<String, DemoError> {
    let brands = desk.list("v1/brands").await?;
    let taken = |name: &str| brands.iter().any(|brand| brand["name"] == name);
    let mut name = "Demo".to_owned();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = format!("Demo {number}");
    }
    Ok(name)
}

/// Makes everything; the desk that comes back speaks for the new brand.
pub(super) async fn mint(desk: Desk, plan: &Plan, tell: &mut impl FnMut(Stage)) -> Result<(Desk, Minted), DemoError> {
    let brand = free_name(&desk).await?;
    let made = desk
        .create(
            "v1/brands",
            &json!({"name": brand, "currency": "USD", "timezone": "UTC"}),
        )
        .await?;
    let desk = desk.for_brand(&text(&made, "id")?);
    let mut minted = Minted {
        brand,
        creators: Vec::new(),
        campaigns: Vec::new(),
        slugs: Vec::new(),
        codes: Vec::new(),
        read_key: String::new(),
    };
    let read_key = json!({"name": "to look around", "role": "read"});
    minted.read_key = text(&desk.create("v1/keys", &read_key).await?, "key")?;
    for creator in &CREATORS {
        let made = desk.create("v1/influencers", &influencer(creator)).await?;
        minted.creators.push(text(&made, "id")?);
        tell(Stage::Minted(1));
    }
    for campaign in &CAMPAIGNS {
        let body = json!({
            "name": campaign.name,
            "destination_url": campaign.destination,
            "utm": {"source": "{platform}", "medium": "influencer", "campaign": "{campaign}", "content": "{influencer}"},
            "attribution": {"window_days": campaign.window_days, "conflict": campaign.conflict},
        });
        minted
            .campaigns
            .push(text(&desk.create("v1/campaigns", &body).await?, "id")?);
        tell(Stage::Minted(1));
    }
    links(&desk, plan, &mut minted, tell).await?;
    for code in &plan.codes {
        let body = json!({
            "campaign_id": minted.campaigns[code.campaign],
            "influencer_id": minted.creators[code.creator],
            "discount": {"percent": 10},
            "status": if code.in_review { "review" } else { "active" },
        });
        minted
            .codes
            .push(text(&desk.create("v1/promo-codes", &body).await?, "code")?);
        tell(Stage::Minted(1));
    }
    Ok((desk, minted))
}

fn influencer(creator: &super::cast::Creator) -> Value {
    let account = |(place, platform): (usize, &&str)| {
        // The second account has half the followers, the third a third.
        json!({"platform": platform, "handle": creator.handle, "followers": creator.followers / (place + 1)})
    };
    json!({
        "handle": creator.handle,
        "name": creator.name,
        "email": creator.email(),
        "accounts": creator.platforms.iter().enumerate().map(account).collect::<Vec<_>>(),
        "tags": [creator.topic],
    })
}

/// All links in one request, each with the post it stands in.
async fn links(desk: &Desk, plan: &Plan, minted: &mut Minted, tell: &mut impl FnMut(Stage)) -> Result<(), DemoError> {
    let link = |link: &super::plan::Link| {
        let campaign = &CAMPAIGNS[link.campaign];
        json!({
            "campaign_id": minted.campaigns[link.campaign],
            "influencer_id": minted.creators[link.creator],
            "platform": link.platform,
            "post": format!("{} on {}", campaign.name, link.platform),
        })
    };
    let bodies: Vec<Value> = plan.links.iter().map(link).collect();
    let made = desk.create("v1/links/bulk", &json!({ "links": bodies })).await?;
    for result in made["results"].as_array().into_iter().flatten() {
        minted.slugs.push(text(&result["link"], "slug")?);
        tell(Stage::Minted(1));
    }
    if minted.slugs.len() == plan.links.len() {
        return Ok(());
    }
    Err(DemoError::Strange {
        what: "v1/links/bulk".to_owned(),
        body: made.to_string(),
    })
}

/// How many things are made: for the progress bar.
pub(super) fn pieces(plan: &Plan) -> usize {
    CREATORS.len() + CAMPAIGNS.len() + plan.links.len() + plan.codes.len()
}
