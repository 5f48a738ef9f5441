-- Groups of users: teams, organisations, businesses.

-- `attributes` is JSON, or null; `version` guards changes.
CREATE TABLE groups (
    id BLOB NOT NULL,
    app_id BLOB NOT NULL,
    name TEXT NOT NULL,
    admission INTEGER NOT NULL,
    status INTEGER NOT NULL,
    external_id TEXT,
    attributes TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX groups_by_external_id ON groups (app_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX groups_by_app ON groups (app_id, id);
CREATE INDEX groups_by_name ON groups (app_id, name, id);

-- `roles` is a JSON array of texts.
CREATE TABLE members (
    id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    roles TEXT NOT NULL,
    state INTEGER NOT NULL,
    added_by TEXT,
    invited_by TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, user_id),
    UNIQUE (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_group ON members (group_id, id);
CREATE INDEX members_by_user ON members (user_id, id);
