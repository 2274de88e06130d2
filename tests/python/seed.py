"""Makes a little data, so that ids exist, and writes the settings of a schemathesis run: `seed.py API KEY`."""

import json
import sys
import urllib.request

API, KEY = sys.argv[1:]


def post(path, body, **headers):
    request = urllib.request.Request(
        API + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def campaign(name):
    return post("/v1/campaigns", {"name": name, "destination_url": "https://shop.example/"})["id"]


def influencer(handle):
    accounts = [{"platform": "instagram", "handle": handle, "followers": 48000}]
    return post("/v1/influencers", {"handle": handle, "name": handle, "accounts": accounts})["id"]


def link(**more):
    return post("/v1/links", {"campaign_id": CAMPAIGN, "influencer_id": INFLUENCER, **more})


def code(text):
    return post("/v1/promo-codes", {"campaign_id": CAMPAIGN, "influencer_id": INFLUENCER, "code": text})["id"]


CAMPAIGN, INFLUENCER = campaign("Spring"), influencer("mia")
LINK = link(platform="instagram", post="Story")
SALE = post(
    "/v1/conversions",
    {"event": "sale", "external_id": "1", "amount": {"amount": 100, "currency": "USD"}, "promo_codes": ["MIA"]},
    Prefer="wait=5",
)["id"]
code("MIA")

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
    "conversions": SALE,
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
for name, id in THINGS.items():
    print(f"""
[[operations]]
include-path-regex = "^/v1/{name}/[{{]id[}}]"
parameters = {{ "path.id" = {setting(id)} }}
""")
