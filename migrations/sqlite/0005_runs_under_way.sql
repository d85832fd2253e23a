-- Runs of shell commands are noted when they begin. What the audit row needs when nobody says what came of one is here, too.

ALTER TABLE shell_runs ADD COLUMN run_key  TEXT;    -- whoever does not know whether it is noted can note it again
ALTER TABLE shell_runs ADD COLUMN owner    TEXT;    -- the instance that has it run
ALTER TABLE shell_runs ADD COLUMN actor    TEXT;    -- what that is called in the audit log
ALTER TABLE shell_runs ADD COLUMN key_name TEXT;
ALTER TABLE shell_runs ADD COLUMN purpose  TEXT;
ALTER TABLE shell_runs ADD COLUMN until_ms INTEGER; -- by then it has ended for sure; NULL: it has ended

CREATE UNIQUE INDEX shell_runs_key ON shell_runs (run_key);
CREATE INDEX shell_runs_under_way ON shell_runs (until_ms) WHERE until_ms IS NOT NULL;
