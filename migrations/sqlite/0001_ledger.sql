-- Times are milliseconds since 1970 in UTC, money is minor units, flags are 0 or 1, ids are random
-- integers (conversions: text), JSON is text. `feed_seq` is the position of a row's last change in
-- the change feed, `created_seq` that of its creation: sequence order is commit order, because the
-- one row of `feed` is updated in the writing transaction.

CREATE TABLE feed (
    id  BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL
);
INSERT INTO feed (id, seq) VALUES (1, 0);

CREATE TABLE brands (
    id             BIGINT PRIMARY KEY,
    name           TEXT   NOT NULL,
    name_folded    TEXT   NOT NULL UNIQUE,
    currency       TEXT   NOT NULL,
    timezone       TEXT   NOT NULL,
    click_param    TEXT,
    tier_bounds    TEXT   NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL
);
CREATE INDEX brands_feed ON brands (feed_seq);

-- `brand_id` is null for operator keys. Only the hash is kept.
CREATE TABLE api_keys (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT REFERENCES brands (id),
    role           TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    hint           TEXT   NOT NULL,
    hash           TEXT   NOT NULL UNIQUE,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL
);
CREATE INDEX api_keys_feed ON api_keys (feed_seq);

CREATE TABLE influencers (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT NOT NULL REFERENCES brands (id),
    handle         TEXT   NOT NULL,
    handle_folded  TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    email          TEXT,
    accounts       TEXT   NOT NULL,
    tags           TEXT   NOT NULL,
    share_token    TEXT   NOT NULL UNIQUE,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL,
    UNIQUE (brand_id, handle_folded)
);
CREATE INDEX influencers_page ON influencers (brand_id, created_seq);

CREATE TABLE campaigns (
    id              BIGINT PRIMARY KEY,
    brand_id        BIGINT NOT NULL REFERENCES brands (id),
    name            TEXT   NOT NULL,
    destination_url TEXT   NOT NULL,
    fallback_url    TEXT,
    utm             TEXT   NOT NULL,
    starts_at_ms    BIGINT,
    ends_at_ms      BIGINT,
    attribution     TEXT   NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    archived_at_ms  BIGINT,
    created_seq     BIGINT NOT NULL,
    feed_seq        BIGINT NOT NULL
);
CREATE INDEX campaigns_feed ON campaigns (feed_seq);
CREATE INDEX campaigns_page ON campaigns (brand_id, created_seq);

CREATE TABLE posts (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT NOT NULL REFERENCES brands (id),
    campaign_id    BIGINT NOT NULL REFERENCES campaigns (id),
    influencer_id  BIGINT NOT NULL REFERENCES influencers (id),
    platform       TEXT   NOT NULL,
    label          TEXT   NOT NULL,
    label_folded   TEXT   NOT NULL,
    url            TEXT,
    format         TEXT,
    posted_at_ms   BIGINT,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL,
    UNIQUE (campaign_id, influencer_id, platform, label_folded)
);
CREATE INDEX posts_page ON posts (brand_id, created_seq);

-- A row is never deleted, so a slug is never issued twice. `url` and `utm` are the link's own
-- wishes; `final_url` is what they and the campaign's come to, made whenever either changes.
CREATE TABLE links (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT NOT NULL REFERENCES brands (id),
    campaign_id    BIGINT NOT NULL REFERENCES campaigns (id),
    influencer_id  BIGINT NOT NULL REFERENCES influencers (id),
    post_id        BIGINT REFERENCES posts (id),
    platform       TEXT,
    slug           TEXT   NOT NULL UNIQUE,
    slug_folded    TEXT   NOT NULL,
    url            TEXT,
    utm            TEXT   NOT NULL,
    final_url      TEXT   NOT NULL,
    forward_query  BIGINT NOT NULL,
    expires_at_ms  BIGINT,
    paused         BIGINT NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL
);
CREATE INDEX links_feed ON links (feed_seq);
CREATE INDEX links_folded ON links (slug_folded);
CREATE INDEX links_page ON links (brand_id, created_seq);
CREATE INDEX links_campaign ON links (campaign_id);

-- A code is unique per brand without regard to case, also after it was archived: it was spoken in
-- videos that are still watched.
CREATE TABLE promo_codes (
    id               BIGINT PRIMARY KEY,
    brand_id         BIGINT NOT NULL REFERENCES brands (id),
    campaign_id      BIGINT NOT NULL REFERENCES campaigns (id),
    influencer_id    BIGINT NOT NULL REFERENCES influencers (id),
    post_id          BIGINT REFERENCES posts (id),
    code             TEXT   NOT NULL,
    code_folded      TEXT   NOT NULL,
    discount         TEXT   NOT NULL,
    expires_at_ms    BIGINT,
    status           TEXT   NOT NULL,
    replacement_code TEXT,
    created_at_ms    BIGINT NOT NULL,
    archived_at_ms   BIGINT,
    created_seq      BIGINT NOT NULL,
    feed_seq         BIGINT NOT NULL,
    UNIQUE (brand_id, code_folded)
);
CREATE INDEX promo_codes_page ON promo_codes (brand_id, created_seq);

-- One row per journal that ever reached the store; never deleted. `seq` is the cursor: the highest
-- committed sequence. clicks + others + lost = seq, always.
CREATE TABLE journals (
    uuid          TEXT   PRIMARY KEY,
    num           BIGINT NOT NULL UNIQUE,
    tag           BIGINT NOT NULL,
    purpose       TEXT   NOT NULL,
    seq           BIGINT NOT NULL,
    clicks        BIGINT NOT NULL,
    others        BIGINT NOT NULL,
    lost          BIGINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

CREATE TABLE lost_ranges (
    journal_num    BIGINT NOT NULL,
    from_seq       BIGINT NOT NULL,
    to_seq         BIGINT NOT NULL,
    why            TEXT   NOT NULL,
    declared_at_ms BIGINT NOT NULL
);

-- Dictionaries of the texts that clicks repeat, with what was read from them. `version` is that of
-- the data they were read by.
CREATE TABLE user_agents (
    id      INTEGER PRIMARY KEY,
    text    TEXT    NOT NULL UNIQUE,
    version BIGINT  NOT NULL,
    class   BIGINT  NOT NULL,
    reason  TEXT    NOT NULL,
    browser TEXT    NOT NULL,
    os      TEXT    NOT NULL,
    device  TEXT    NOT NULL
);
CREATE TABLE referrers (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, host TEXT NOT NULL);
CREATE TABLE languages (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- What rollups tell clicks apart by, besides link and time: one row per combination that was met.
CREATE TABLE facets (
    id       INTEGER PRIMARY KEY,
    country  TEXT NOT NULL,
    device   TEXT NOT NULL,
    os       TEXT NOT NULL,
    browser  TEXT NOT NULL,
    referrer TEXT NOT NULL,
    UNIQUE (country, device, os, browser, referrer)
);

-- No unique index: the cursor is what makes a click count once. `at_ms` is what counts;
-- `clock_at_ms` is what the node's clock said where that could not be true.
CREATE TABLE clicks (
    at_ms         BIGINT NOT NULL,
    clock_at_ms   BIGINT,
    journal_num   BIGINT NOT NULL,
    seq           BIGINT NOT NULL,
    link_id       BIGINT NOT NULL,
    state         BIGINT NOT NULL,
    flags         BIGINT NOT NULL,
    class         BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    visitor       BIGINT NOT NULL,
    country       TEXT   NOT NULL,
    user_agent_id BIGINT NOT NULL,
    referrer_id   BIGINT NOT NULL,
    language_id   BIGINT NOT NULL
);
CREATE INDEX clicks_at ON clicks (at_ms);

CREATE TABLE click_rollups (
    link_id    BIGINT NOT NULL,
    quarter_ms BIGINT NOT NULL,
    shard      BIGINT NOT NULL,
    facet_id   BIGINT NOT NULL,
    clicks     BIGINT NOT NULL,
    human      BIGINT NOT NULL,
    inactive   BIGINT NOT NULL,
    PRIMARY KEY (link_id, quarter_ms, shard, facet_id)
) WITHOUT ROWID;
CREATE INDEX click_rollups_quarter ON click_rollups (quarter_ms);

CREATE TABLE conversions (
    id             TEXT   PRIMARY KEY,
    brand_id       BIGINT NOT NULL,
    source         TEXT   NOT NULL,
    event          TEXT   NOT NULL,
    external_id    TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    reason         TEXT,
    amount         BIGINT,
    gross_amount   BIGINT,
    currency       TEXT,
    quantity       BIGINT,
    occurred_at_ms BIGINT NOT NULL,
    accepted_at_ms BIGINT NOT NULL,
    facts          TEXT   NOT NULL,
    journal_num    BIGINT NOT NULL,
    seq            BIGINT NOT NULL
);
CREATE INDEX conversions_page ON conversions (brand_id, accepted_at_ms, id);
CREATE INDEX conversions_when ON conversions (brand_id, occurred_at_ms);

-- `click_*` find the click that earned it; absent where none did.
CREATE TABLE credits (
    conversion_id TEXT   NOT NULL,
    place         BIGINT NOT NULL,
    link_id       BIGINT,
    promo_code_id BIGINT,
    campaign_id   BIGINT NOT NULL,
    influencer_id BIGINT NOT NULL,
    post_id       BIGINT,
    share_bps     BIGINT NOT NULL,
    click_at_ms   BIGINT,
    click_tag     BIGINT,
    click_seq     BIGINT,
    PRIMARY KEY (conversion_id, place)
) WITHOUT ROWID;

CREATE TABLE touchpoints (
    conversion_id TEXT   NOT NULL,
    place         BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    given         TEXT   NOT NULL,
    at_ms         BIGINT,
    link_id       BIGINT,
    promo_code_id BIGINT,
    window_days   BIGINT,
    verdict       TEXT   NOT NULL,
    why           TEXT,
    PRIMARY KEY (conversion_id, place)
) WITHOUT ROWID;

-- Events that were not counted, each with its reason.
CREATE TABLE rejections (
    journal_num    BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    brand_id       BIGINT,
    kind           TEXT   NOT NULL,
    reason         TEXT   NOT NULL,
    facts          TEXT   NOT NULL,
    rejected_at_ms BIGINT NOT NULL,
    PRIMARY KEY (journal_num, seq)
) WITHOUT ROWID;

-- Visitor salts, one per UTC day; destroyed after 48 hours.
CREATE TABLE salts (
    utc_day BIGINT PRIMARY KEY,
    salt    TEXT   NOT NULL
);
