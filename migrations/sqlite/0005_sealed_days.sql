-- Postgres drops raw clicks after a retention, day by day. SQLite keeps them, so these stay empty here; they are there so
-- that one text of SQL runs on both. migrations/postgres/0001_ledger.sql says what they mean.
CREATE TABLE sealed_days (
    utc_day      BIGINT PRIMARY KEY,
    clicks       BIGINT NOT NULL,
    human        BIGINT NOT NULL,
    links        BIGINT NOT NULL,
    sealed_at_ms BIGINT NOT NULL
);

CREATE TABLE sealed_clicks (
    utc_day     BIGINT NOT NULL,
    journal_num BIGINT NOT NULL,
    clicks      BIGINT NOT NULL,
    PRIMARY KEY (utc_day, journal_num)
);

CREATE TABLE sealed_credits (
    click_tag   BIGINT NOT NULL,
    click_seq   BIGINT NOT NULL,
    click_at_ms BIGINT NOT NULL,
    facet_id    BIGINT NOT NULL,
    PRIMARY KEY (click_tag, click_seq, click_at_ms)
);
