-- The same tables as SQLite's 0001 to 0003 (columns and their meaning are alike, so that one text of SQL runs on both),
-- with what Postgres does better: numbers from identities, clicks in partitions of one UTC day each.
--
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
    goals           TEXT   NOT NULL DEFAULT '[]',
    budget          TEXT   NOT NULL DEFAULT 'null',
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
CREATE SEQUENCE journal_nums AS INTEGER;
CREATE TABLE journals (
    uuid          TEXT   PRIMARY KEY,
    num           BIGINT NOT NULL UNIQUE DEFAULT nextval('journal_nums'),
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
    id      BIGINT PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    text    TEXT    NOT NULL UNIQUE,
    version BIGINT  NOT NULL,
    class   BIGINT  NOT NULL,
    reason  TEXT    NOT NULL,
    browser TEXT    NOT NULL,
    os      TEXT    NOT NULL,
    device  TEXT    NOT NULL
);
CREATE TABLE referrers (id BIGINT PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, text TEXT NOT NULL UNIQUE, host TEXT NOT NULL);
CREATE TABLE languages (id BIGINT PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, text TEXT NOT NULL UNIQUE);

-- What rollups tell clicks apart by, besides link and time: one row per combination that was met.
CREATE TABLE facets (
    id       BIGINT PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    country  TEXT NOT NULL,
    device   TEXT NOT NULL,
    os       TEXT NOT NULL,
    browser  TEXT NOT NULL,
    referrer TEXT NOT NULL,
    UNIQUE (country, device, os, browser, referrer)
);

-- No unique index: the cursor is what makes a click count once. `at_ms` is what counts;
-- `clock_at_ms` is what the node's clock said where that could not be true. One partition per UTC day, made ahead
-- by the service; `clicks_default` takes what has none yet. Wide columns first, so that no byte is lost to alignment.
CREATE TABLE clicks (
    at_ms         BIGINT   NOT NULL,
    seq           BIGINT   NOT NULL,
    link_id       BIGINT   NOT NULL,
    visitor       BIGINT   NOT NULL,
    clock_at_ms   BIGINT,
    journal_num   INTEGER  NOT NULL,
    user_agent_id INTEGER  NOT NULL,
    referrer_id   INTEGER  NOT NULL,
    language_id   INTEGER  NOT NULL,
    state         SMALLINT NOT NULL,
    flags         SMALLINT NOT NULL,
    class         SMALLINT NOT NULL,
    country       TEXT     NOT NULL,
    reason        TEXT     NOT NULL
) PARTITION BY RANGE (at_ms);
CREATE TABLE clicks_default PARTITION OF clicks DEFAULT;
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
);
CREATE INDEX click_rollups_quarter ON click_rollups (quarter_ms);

-- Days whose raw clicks were dropped after their retention, with what was dropped: `links` is how many links had
-- visitors. A click that comes later is stored as any other, and dropped, and added here, by a later sealing.
CREATE TABLE sealed_days (
    utc_day      BIGINT PRIMARY KEY,
    clicks       BIGINT NOT NULL,
    human        BIGINT NOT NULL,
    links        BIGINT NOT NULL,
    sealed_at_ms BIGINT NOT NULL
);

-- The same by journal.
CREATE TABLE sealed_clicks (
    utc_day     BIGINT NOT NULL,
    journal_num BIGINT NOT NULL,
    clicks      BIGINT NOT NULL,
    PRIMARY KEY (utc_day, journal_num)
);

-- Of dropped clicks that had earned something: what reports tell orders apart by.
CREATE TABLE sealed_credits (
    click_tag   BIGINT NOT NULL,
    click_seq   BIGINT NOT NULL,
    click_at_ms BIGINT NOT NULL,
    facet_id    BIGINT NOT NULL,
    PRIMARY KEY (click_tag, click_seq, click_at_ms)
);

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
    campaign_id   BIGINT,
    influencer_id BIGINT NOT NULL,
    post_id       BIGINT,
    share_bps     BIGINT NOT NULL,
    click_at_ms   BIGINT,
    click_tag     BIGINT,
    click_seq     BIGINT,
    PRIMARY KEY (conversion_id, place)
);

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
);

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
);

-- Visitor salts, one per UTC day; destroyed after 48 hours.
CREATE TABLE salts (
    utc_day BIGINT PRIMARY KEY,
    salt    TEXT   NOT NULL
);

-- The code that a link is shared with.
ALTER TABLE links ADD COLUMN promo_code_id BIGINT REFERENCES promo_codes (id);

-- One influencer's own terms in one campaign.
CREATE TABLE deals (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT NOT NULL REFERENCES brands (id),
    campaign_id    BIGINT NOT NULL REFERENCES campaigns (id),
    influencer_id  BIGINT NOT NULL REFERENCES influencers (id),
    starts_at_ms   BIGINT,
    ends_at_ms     BIGINT,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL,
    UNIQUE (campaign_id, influencer_id)
);

-- Followers of an account at one instant. Without an influencer it is the brand's own account.
CREATE TABLE follower_counts (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT NOT NULL REFERENCES brands (id),
    influencer_id  BIGINT REFERENCES influencers (id),
    platform       TEXT   NOT NULL,
    as_of_ms       BIGINT NOT NULL,
    followers      BIGINT NOT NULL,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL
);
CREATE INDEX follower_counts_page ON follower_counts (brand_id, created_seq);
CREATE INDEX follower_counts_account ON follower_counts (brand_id, influencer_id, platform, as_of_ms);

-- A post's figures so far, at one instant, as its platform tells them. Null: not told.
CREATE TABLE post_metrics (
    id             BIGINT PRIMARY KEY,
    brand_id       BIGINT NOT NULL REFERENCES brands (id),
    post_id        BIGINT NOT NULL REFERENCES posts (id),
    as_of_ms       BIGINT NOT NULL,
    impressions    BIGINT,
    reach          BIGINT,
    views          BIGINT,
    likes          BIGINT,
    comments       BIGINT,
    shares         BIGINT,
    saves          BIGINT,
    created_at_ms  BIGINT NOT NULL,
    archived_at_ms BIGINT,
    created_seq    BIGINT NOT NULL,
    feed_seq       BIGINT NOT NULL
);
CREATE INDEX post_metrics_page ON post_metrics (brand_id, created_seq);
CREATE INDEX post_metrics_post ON post_metrics (post_id, as_of_ms);

-- What became of a link, and by which key; `key_id` is null where a campaign's change moved it.
-- `changes` is JSON: {"field": {"from": …, "to": …}}.
CREATE TABLE link_history (
    id      BIGINT PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    link_id BIGINT  NOT NULL REFERENCES links (id),
    at_ms   BIGINT  NOT NULL,
    key_id  BIGINT,
    action  TEXT    NOT NULL,
    changes TEXT    NOT NULL
);
CREATE INDEX link_history_link ON link_history (link_id, id);

-- Answers of creations, written in the transaction that created: a repeat under the same key gets the
-- same answer. Kept 24 hours. `caller` is the API key's id.
CREATE TABLE kept_answers (
    caller        BIGINT NOT NULL,
    route         TEXT   NOT NULL,
    given_key     TEXT   NOT NULL,
    body_hash     TEXT   NOT NULL,
    status        BIGINT NOT NULL,
    answer        TEXT   NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (caller, route, given_key)
);
CREATE INDEX kept_answers_age ON kept_answers (created_at_ms);

-- `order_id` is the sale's external id. `conversion_id` and `amount` (net, minor units) are set once the
-- order is known. `gross_amount` is null where the refund was given net.
CREATE TABLE refunds (
    id             TEXT   PRIMARY KEY,
    brand_id       BIGINT NOT NULL,
    source         TEXT   NOT NULL,
    order_id       TEXT   NOT NULL,
    refund_id      TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    reason         TEXT,
    conversion_id  TEXT,
    amount         BIGINT,
    gross_amount   BIGINT,
    currency       TEXT   NOT NULL,
    refunded_at_ms BIGINT NOT NULL,
    accepted_at_ms BIGINT NOT NULL,
    facts          TEXT   NOT NULL,
    journal_num    BIGINT NOT NULL,
    seq            BIGINT NOT NULL
);
CREATE INDEX refunds_order ON refunds (brand_id, source, order_id);
CREATE INDEX refunds_conversion ON refunds (conversion_id);
CREATE INDEX refunds_when ON refunds (brand_id, refunded_at_ms);

-- What people decided about conversions, in order: approve, reject or credit. Never changed.
CREATE TABLE decisions (
    conversion_id TEXT   NOT NULL,
    place         BIGINT NOT NULL,
    decision      TEXT   NOT NULL,
    influencer_id BIGINT,
    note          TEXT,
    key_id        BIGINT NOT NULL,
    decided_at_ms BIGINT NOT NULL,
    PRIMARY KEY (conversion_id, place)
);

-- Uses of a code are counted from here.
CREATE INDEX touchpoints_code ON touchpoints (promo_code_id) WHERE promo_code_id IS NOT NULL;

ALTER TABLE rejections ADD COLUMN retried_at_ms BIGINT;
CREATE INDEX rejections_page ON rejections (brand_id, rejected_at_ms);

-- Refunds find their orders by the shop's own id.
CREATE INDEX conversions_external ON conversions (brand_id, source, external_id);

-- Visitors by UTC day and link, folded from people's clicks in the background. src/domain/visitors.rs holds the format
-- of `sketch`.
CREATE TABLE visitor_days (
    utc_day BIGINT NOT NULL,
    link_id BIGINT NOT NULL,
    sketch  BYTEA  NOT NULL,
    PRIMARY KEY (utc_day, link_id)
);

-- What the worker's commit leaves for the fold: people's clicks of one batch and UTC day. src/store/visitors/queue.rs
-- holds the format of `visits`, which are hashes: nothing is gained by compressing them.
CREATE TABLE unfolded_visits (
    id      BIGINT PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
    utc_day BIGINT NOT NULL,
    clicks  BIGINT NOT NULL,
    visits  BYTEA  NOT NULL
);
ALTER TABLE unfolded_visits ALTER COLUMN visits SET STORAGE EXTERNAL;
CREATE INDEX unfolded_visits_day ON unfolded_visits (utc_day);

-- Workers that are alive, and the shards of the stream that they read. Both end by themselves at `until_ms`, by this
-- server's clock.
CREATE TABLE workers (
    worker   TEXT   PRIMARY KEY,
    until_ms BIGINT NOT NULL
);
CREATE TABLE leases (
    shard    BIGINT PRIMARY KEY,
    worker   TEXT   NOT NULL,
    until_ms BIGINT NOT NULL
);

-- Texts are compared and sorted by their bytes, as in SQLite, whatever the locale of the database. Stays the last of
-- this file, behind every table.
DO $$
DECLARE
    texts RECORD;
BEGIN
    FOR texts IN
        SELECT attrelid::regclass AS of_table, attname AS name
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND atttypid = 'text'::regtype AND attnum > 0 AND NOT attisdropped
            AND relname <> '_sqlx_migrations'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE TEXT COLLATE "C"', texts.of_table, texts.name);
    END LOOP;
END $$;
