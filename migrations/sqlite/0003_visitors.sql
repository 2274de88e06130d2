-- Visitors by UTC day and link, folded from the raw clicks of people in the background. src/domain/visitors.rs holds
-- the format of `sketch`. Conventions as in 0001.
CREATE TABLE visitor_days (
    utc_day BIGINT NOT NULL,
    link_id BIGINT NOT NULL,
    sketch  BLOB   NOT NULL,
    PRIMARY KEY (utc_day, link_id)
);

-- Clicks up to row `folded_rowid` are in `visitor_days`. Rows of `clicks` are only ever added, so their numbers rise.
CREATE TABLE click_marks (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    folded_rowid BIGINT NOT NULL
);
INSERT INTO click_marks (id, folded_rowid) VALUES (1, 0);
