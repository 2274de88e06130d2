-- What the worker's commit leaves for the fold of visitors: people's clicks of one batch and UTC day.
-- src/store/visitors/queue.rs holds the format of `visits`. It takes the place of a row number up to which clicks were
-- folded; what was not folded yet is moved here, by as many clicks as a batch has.
CREATE TABLE unfolded_visits (
    id      INTEGER PRIMARY KEY,
    utc_day BIGINT NOT NULL,
    clicks  BIGINT NOT NULL,
    visits  BLOB   NOT NULL
);
CREATE INDEX unfolded_visits_day ON unfolded_visits (utc_day);
INSERT INTO unfolded_visits (utc_day, clicks, visits)
SELECT at_ms / 86400000, COUNT(*), unhex(group_concat(printf('%016x%016x', link_id, visitor), ''))
FROM clicks WHERE rowid > (SELECT folded_rowid FROM click_marks WHERE id = 1) AND class = 0
GROUP BY at_ms / 86400000, rowid / 20000;
DROP TABLE click_marks;
