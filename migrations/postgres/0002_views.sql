-- For people who ask Postgres directly: the tables with real times, ids as the API spells them, and the texts that
-- clicks repeat joined in. deploy/sql.md shows how to use them. Nothing in linkledger reads them, secrets and hashes of
-- keys are not in them, and they need no more than USAGE of this schema and SELECT on its views.
--
-- Not named after the service: a schema of the database user's own name would come first in its search path.
CREATE SCHEMA linkledger_views;

-- An id as the API spells it, from its number: `lnk` has 10 digits, the others have 12. src/domain/id.rs says how.
CREATE FUNCTION linkledger_views.id_text(prefix TEXT, number BIGINT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT prefix || '_' || string_agg(
        substr('0123456789abcdefghjkmnpqrstvwxyz', CAST((number >> (5 * place)) & 31 AS INTEGER) + 1, 1),
        '' ORDER BY place DESC)
    FROM generate_series(0, CASE prefix WHEN 'lnk' THEN 9 ELSE 11 END) AS place
$$;

-- The number of such an id, for conditions that use an index: `WHERE link_number = id_number('lnk_…')`.
CREATE FUNCTION linkledger_views.id_number(id TEXT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CAST(SUM((strpos('0123456789abcdefghjkmnpqrstvwxyz', digit) - 1)::BIGINT << CAST(5 * (length(split_part(id, '_', 2)) - place) AS INTEGER)) AS BIGINT)
    FROM regexp_split_to_table(split_part(id, '_', 2), '') WITH ORDINALITY AS digits (digit, place)
$$;

-- A time as the tables keep it, for conditions that read only the days they need: `WHERE at_ms >= ms('2026-11-01 00:00Z')`.
CREATE FUNCTION linkledger_views.ms(at TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$ SELECT CAST(FLOOR(EXTRACT(EPOCH FROM at) * 1000) AS BIGINT) $$;

-- And back.
CREATE FUNCTION linkledger_views.at(ms BIGINT) RETURNS TIMESTAMPTZ
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT to_timestamp(ms / 1000.0) $$;

CREATE VIEW linkledger_views.brands AS
SELECT linkledger_views.id_text('brd', id) AS id, id AS number, name, currency, timezone,
    linkledger_views.at(created_at_ms) AS created_at, linkledger_views.at(archived_at_ms) AS archived_at
FROM brands;

CREATE VIEW linkledger_views.influencers AS
SELECT linkledger_views.id_text('inf', id) AS id, id AS number, brand_id AS brand_number, handle, name, tags, accounts,
    linkledger_views.at(created_at_ms) AS created_at, linkledger_views.at(archived_at_ms) AS archived_at
FROM influencers;

CREATE VIEW linkledger_views.campaigns AS
SELECT linkledger_views.id_text('cmp', id) AS id, id AS number, brand_id AS brand_number, name, destination_url,
    linkledger_views.at(starts_at_ms) AS starts_at, linkledger_views.at(ends_at_ms) AS ends_at,
    linkledger_views.at(created_at_ms) AS created_at, linkledger_views.at(archived_at_ms) AS archived_at
FROM campaigns;

CREATE VIEW linkledger_views.links AS
SELECT linkledger_views.id_text('lnk', links.id) AS id, links.id AS number, links.slug, links.final_url,
    links.paused = 1 AS paused, links.platform, posts.label AS post, campaigns.name AS campaign,
    influencers.handle AS influencer, links.brand_id AS brand_number, links.campaign_id AS campaign_number,
    links.influencer_id AS influencer_number, links.post_id AS post_number,
    linkledger_views.at(links.expires_at_ms) AS expires_at, linkledger_views.at(links.created_at_ms) AS created_at,
    linkledger_views.at(links.archived_at_ms) AS archived_at
FROM links JOIN campaigns ON campaigns.id = links.campaign_id
    JOIN influencers ON influencers.id = links.influencer_id LEFT JOIN posts ON posts.id = links.post_id;

CREATE VIEW linkledger_views.promo_codes AS
SELECT linkledger_views.id_text('prm', promo_codes.id) AS id, promo_codes.id AS number, code, status, discount,
    influencers.handle AS influencer, promo_codes.brand_id AS brand_number, campaign_id AS campaign_number,
    influencer_id AS influencer_number, linkledger_views.at(expires_at_ms) AS expires_at,
    linkledger_views.at(promo_codes.created_at_ms) AS created_at,
    linkledger_views.at(promo_codes.archived_at_ms) AS archived_at
FROM promo_codes JOIN influencers ON influencers.id = promo_codes.influencer_id;

-- Raw clicks, as far as they are kept. `at_ms` and `link_number` are for conditions, the rest is to be read.
CREATE VIEW linkledger_views.clicks AS
SELECT linkledger_views.at(clicks.at_ms) AS at, clicks.at_ms, linkledger_views.at(clicks.clock_at_ms) AS node_clock_at,
    linkledger_views.id_text('lnk', clicks.link_id) AS link_id, clicks.link_id AS link_number, links.slug,
    links.brand_id AS brand_number, links.campaign_id AS campaign_number, links.influencer_id AS influencer_number,
    CASE clicks.class WHEN 0 THEN 'human' WHEN 1 THEN 'bot' WHEN 2 THEN 'prefetch' WHEN 3 THEN 'preview' END AS class,
    NULLIF(clicks.reason, '') AS reason,
    CASE clicks.state WHEN 0 THEN 'live' WHEN 1 THEN 'paused' WHEN 2 THEN 'expired' WHEN 3 THEN 'campaign_over'
        WHEN 4 THEN 'campaign_not_started' WHEN 5 THEN 'archived' END AS state,
    NULLIF(clicks.country, '') AS country, user_agents.device, user_agents.os, user_agents.browser,
    user_agents.text AS user_agent, NULLIF(referrers.host, '') AS referrer_host, NULLIF(referrers.text, '') AS referrer,
    NULLIF(languages.text, '') AS language, clicks.visitor, journals.uuid AS journal, clicks.seq
FROM clicks LEFT JOIN links ON links.id = clicks.link_id
    JOIN user_agents ON user_agents.id = clicks.user_agent_id
    JOIN referrers ON referrers.id = clicks.referrer_id
    JOIN languages ON languages.id = clicks.language_id
    JOIN journals ON journals.num = clicks.journal_num;

-- Clicks per quarter of an hour, of all time.
CREATE VIEW linkledger_views.click_counts AS
SELECT linkledger_views.at(quarter_ms) AS quarter, quarter_ms, linkledger_views.id_text('lnk', link_id) AS link_id,
    link_id AS link_number, links.slug, links.brand_id AS brand_number, links.campaign_id AS campaign_number,
    links.influencer_id AS influencer_number, NULLIF(facets.country, '') AS country, facets.device, facets.os,
    facets.browser, NULLIF(facets.referrer, '') AS referrer_host, counted.clicks, counted.human_clicks,
    counted.inactive_clicks
FROM (
    SELECT quarter_ms, link_id, facet_id, CAST(SUM(clicks) AS BIGINT) AS clicks,
        CAST(SUM(human) AS BIGINT) AS human_clicks, CAST(SUM(inactive) AS BIGINT) AS inactive_clicks
    FROM click_rollups GROUP BY quarter_ms, link_id, facet_id
) AS counted LEFT JOIN links ON links.id = counted.link_id
    JOIN facets ON facets.id = counted.facet_id;

-- Amounts are in minor units of their currency.
CREATE VIEW linkledger_views.conversions AS
SELECT id, brand_id AS brand_number, source, event, external_id, state, reason, amount, gross_amount, currency,
    quantity, linkledger_views.at(occurred_at_ms) AS occurred_at, linkledger_views.at(accepted_at_ms) AS accepted_at
FROM conversions;

CREATE VIEW linkledger_views.credits AS
SELECT conversion_id, place, influencers.handle AS influencer, campaigns.name AS campaign, links.slug,
    promo_codes.code AS promo_code, share_bps, linkledger_views.at(click_at_ms) AS click_at,
    credits.influencer_id AS influencer_number, credits.campaign_id AS campaign_number, link_id AS link_number,
    credits.promo_code_id AS promo_code_number, credits.post_id AS post_number
FROM credits LEFT JOIN influencers ON influencers.id = credits.influencer_id
    LEFT JOIN campaigns ON campaigns.id = credits.campaign_id
    LEFT JOIN links ON links.id = credits.link_id
    LEFT JOIN promo_codes ON promo_codes.id = credits.promo_code_id;

CREATE VIEW linkledger_views.refunds AS
SELECT id, brand_id AS brand_number, source, order_id, refund_id, state, reason, conversion_id, amount, gross_amount,
    currency, linkledger_views.at(refunded_at_ms) AS refunded_at, linkledger_views.at(accepted_at_ms) AS accepted_at
FROM refunds;

-- How far each journal is committed, and what of it was lost.
CREATE VIEW linkledger_views.journals AS
SELECT uuid, purpose, seq AS committed_up_to, clicks, others, lost, linkledger_views.at(first_seen_ms) AS first_seen,
    linkledger_views.at(updated_at_ms) AS updated_at
FROM journals;

-- Days whose raw clicks were dropped, with how many were.
CREATE VIEW linkledger_views.sealed_days AS
SELECT DATE '1970-01-01' + CAST(utc_day AS INTEGER) AS utc_day, clicks, human AS human_clicks, links,
    linkledger_views.at(sealed_at_ms) AS sealed_at
FROM sealed_days;
