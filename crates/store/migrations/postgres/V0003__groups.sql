-- Groups of users: teams, organisations, businesses.

-- `attributes` is JSON, or null; `version` guards changes.
CREATE TABLE groups (
    id bytea NOT NULL,
    app_id bytea NOT NULL,
    name text NOT NULL,
    admission bigint NOT NULL,
    status bigint NOT NULL,
    external_id text,
    attributes text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text NOT NULL,
    updated_by text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX groups_by_external_id ON groups (app_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX groups_by_app ON groups (app_id, id);
CREATE INDEX groups_by_name ON groups (app_id, name, id);

-- `roles` is a JSON array of texts.
CREATE TABLE members (
    id bytea NOT NULL,
    group_id bytea NOT NULL,
    user_id bytea NOT NULL,
    roles text NOT NULL,
    state bigint NOT NULL,
    added_by text,
    invited_by text,
    created_at bigint NOT NULL,
    PRIMARY KEY (group_id, user_id),
    UNIQUE (id)
);
CREATE INDEX members_by_group ON members (group_id, id);
CREATE INDEX members_by_user ON members (user_id, id);
