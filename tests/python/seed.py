"""Makes a little data, so that ids exist, and writes the settings of a schemathesis run: `seed.py API KEY`."""

import json
import sys
import urllib.error
import urllib.request

API, KEY = sys.argv[1:]


def send(method, path, body=None, **headers):
    request = urllib.request.Request(
        API + path,
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def post(path, body, **headers):
    return send("POST", path, body, **headers)


def campaign(name):
    return post("/v1/campaigns", {"name": name, "destination_url": "https://shop.example/"})["id"]


def influencer(handle):
    accounts = [{"platform": "instagram", "handle": handle, "followers": 48000}]
    return post("/v1/influencers", {"handle": handle, "name": handle, "accounts": accounts})["id"]


def link(**more):
    return post("/v1/links", {"campaign_id": CAMPAIGN, "influencer_id": INFLUENCER, **more})


def code(text):
    return post("/v1/promo-codes", {"campaign_id": CAMPAIGN, "influencer_id": INFLUENCER, "code": text})["id"]


def money(cents):
    return {"amount": cents, "currency": "USD"}


def sale(order, **more):
    body = {"event": "sale", "external_id": order, "amount": money(100), "promo_codes": ["MIA"], **more}
    return post("/v1/conversions", body, Prefer="wait=30")["id"]


def refund(order, number, cents):
    body = {"order_id": order, "refund_id": number, "amount": money(cents)}
    return post("/v1/refunds", body, Prefer="wait=30")


CAMPAIGN, INFLUENCER = campaign("Spring"), influencer("mia")
CODE = code("MIA")
LINK = link(platform="instagram", post="Story", promo_code_id=CODE)
SALE = sale("1")
refund("1", "1", 10)
refund("none", "1", 10)
# An influencer who buys with her own code: held, until somebody decides.
send("PATCH", f"/v1/influencers/{INFLUENCER}", {"email": "mia@example.com"})
HELD = sale("2", customer_email="mia@example.com")
# More than the order was: a rejection, and 422.
try:
    refund("1", "2", 1000)
except urllib.error.HTTPError as refused:
    assert refused.code == 422, refused.code
REJECTION = send("GET", "/v1/rejections")["data"][0]["id"]
send("PUT", f"/v1/campaigns/{CAMPAIGN}/influencers/{INFLUENCER}", {"ends_at": "2099-01-01T00:00:00Z"})
FOLLOWERS = post("/v1/follower-counts", {"platform": "instagram", "as_of": "2026-03-01", "followers": 7})["id"]
METRICS = post("/v1/post-metrics", {"post_id": LINK["post_id"], "as_of": "2026-03-01", "likes": 7})["id"]

# What a run may read, change and archive. What others hang on (`CAMPAIGN`, `INFLUENCER`) is not among it: archived, it
# would make every request about a link wrong.
THINGS = {
    "brands": post("/v1/brands", {"name": "spare"})["id"],
    "keys": post("/v1/keys", {"name": "spare"})["id"],
    "campaigns": campaign("spare"),
    "influencers": influencer("spare"),
    "posts": LINK["post_id"],
    "links": link(slug="spare")["id"],
    "promo-codes": code("SPARE"),
    "follower-counts": FOLLOWERS,
    "post-metrics": METRICS,
    "rejections": REJECTION,
}


def setting(value):
    return json.dumps(value)


print(f"""
[auth.openapi.key]
bearer = {setting(KEY)}

# An operator that names no brand speaks for the brand `default`; drawn names would all be unknown.
[parameters]
"header.Linkledger-Brand" = "default"
"header.Prefer" = "wait=1"
"query.campaign_id" = {{ dictionary = "campaign", probability = 0.7 }}
"query.influencer_id" = {{ dictionary = "influencer", probability = 0.7 }}
"query.tz" = {{ dictionary = "zone", probability = 0.8 }}
"query.post_id" = {{ dictionary = "post", probability = 0.7 }}
"body.post_id" = {{ dictionary = "post", probability = 0.7 }}
"body.promo_code_id" = {{ dictionary = "code", probability = 0.7 }}
"body.order_id" = {{ dictionary = "order", probability = 0.7 }}
"body.campaign_id" = {{ dictionary = "campaign", probability = 0.9 }}
"body.influencer_id" = {{ dictionary = "influencer", probability = 0.9 }}
"body.links[*].campaign_id" = {{ dictionary = "campaign", probability = 0.9 }}
"body.links[*].influencer_id" = {{ dictionary = "influencer", probability = 0.9 }}
"body.destination_url" = {{ dictionary = "destination", probability = 0.7 }}
"body.fallback_url" = {{ dictionary = "destination", probability = 0.7 }}
"body.url" = {{ dictionary = "destination", probability = 0.7 }}
"body.timezone" = {{ dictionary = "zone", probability = 0.8 }}

[dictionaries]
campaign.values = [{setting(CAMPAIGN)}]
influencer.values = [{setting(INFLUENCER)}]
post.values = [{setting(LINK["post_id"])}]
code.values = [{setting(CODE)}]
order.values = ["1", "2", "none"]
destination.values = ["https://shop.example/", "https://bücher.example/a?b=c#d"]
zone.values = ["UTC", "Europe/Berlin", "Asia/Kathmandu"]

[warnings]
enabled = false

[checks]
# A deleted thing is archived: it is listed no more and can still be read, because its history stays.
use_after_free.enabled = false
# Keys of other brands get 404 for what is not theirs; a run with one operator's key cannot see that. tests/api_contract.rs
# does.
object_level_authorization.enabled = false
# A body may be right by its schema and still name a brand, a handle or a code that is taken, a thing that does not stand,
# a destination that is not allowed, or an end before its start: 422. It is never unreadable: 400.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
""")

print("""
# What is wrong with one entry does not keep the others from being taken: it is told in the results of a 200 or 202.
[[operations]]
include-path = ["/v1/links/bulk", "/v1/conversions"]
include-method = "POST"
checks.negative_data_rejection.enabled = false

# Two dates may be right and still stand in the wrong order, which for parameters is 400.
[[operations]]
include-path = "/v1/reports"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404"]
""")
IDS = {f"{name}/[{{]id[}}](/(history|qr|retry).*)?$": id for name, id in THINGS.items()}
# A sale to read, and one that waits for a person.
IDS["conversions/[{]id[}](/explain)?$"] = SALE
IDS["conversions/[{]id[}]/(review|credit)"] = HELD
for path, id in IDS.items():
    print(f"""
[[operations]]
include-path-regex = {setting("^/v1/" + path)}
parameters = {{ "path.id" = {setting(id)} }}
""")
print(f"""
[[operations]]
include-path-regex = "^/v1/campaigns/[{{]id[}}]/influencers/"
parameters = {{ "path.id" = {setting(CAMPAIGN)}, "path.influencer" = {setting(INFLUENCER)} }}
""")
