-- Runs of shell commands are noted when they begin. What the audit row needs when nobody says what came of one is here, too.

ALTER TABLE shell_runs ADD COLUMN owner    TEXT;    -- whoever has it run
ALTER TABLE shell_runs ADD COLUMN key_name TEXT;
ALTER TABLE shell_runs ADD COLUMN purpose  TEXT;
ALTER TABLE shell_runs ADD COLUMN until_ms INTEGER; -- by then it has ended for sure; NULL: it has ended

CREATE INDEX shell_runs_under_way ON shell_runs (until_ms) WHERE until_ms IS NOT NULL;
