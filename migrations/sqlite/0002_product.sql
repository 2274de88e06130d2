-- Deals, snapshots of platforms' figures, link history, refunds, decisions of people, and answers kept for
-- `Idempotency-Key`. Conventions as in 0001.

-- A campaign's goals as JSON, and its budget (JSON; `null` where there is none).
ALTER TABLE campaigns ADD COLUMN goals TEXT NOT NULL DEFAULT '[]';
ALTER TABLE campaigns ADD COLUMN budget TEXT NOT NULL DEFAULT 'null';

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
    id      INTEGER PRIMARY KEY,
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
) WITHOUT ROWID;
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
) WITHOUT ROWID;

-- A sale that a person credited may belong to no campaign.
CREATE TABLE credits_of_any_campaign (
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
) WITHOUT ROWID;
INSERT INTO credits_of_any_campaign SELECT * FROM credits;
DROP TABLE credits;
ALTER TABLE credits_of_any_campaign RENAME TO credits;

-- Uses of a code are counted from here.
CREATE INDEX touchpoints_code ON touchpoints (promo_code_id) WHERE promo_code_id IS NOT NULL;

ALTER TABLE rejections ADD COLUMN retried_at_ms BIGINT;
CREATE INDEX rejections_page ON rejections (brand_id, rejected_at_ms);

-- Refunds find their orders by the shop's own id.
CREATE INDEX conversions_external ON conversions (brand_id, source, external_id);
