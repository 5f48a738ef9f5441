-- What clients know of people and of their sessions: profiles, ids of their own, several addresses, factors.

-- `profile` is JSON (name, trusted and untrusted metadata, roles); `version` guards its changes. A pending user has not proven anything yet.
ALTER TABLE users ADD COLUMN is_pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN external_id TEXT;
ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX users_by_external_id ON users (app_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_by_app ON users (app_id, id);

-- The public id of an address.
ALTER TABLE identifiers ADD COLUMN id BLOB;
UPDATE identifiers SET id = randomblob(16);
CREATE UNIQUE INDEX identifiers_by_id ON identifiers (id);
-- An address that a client added goes unless it is proven by then.
ALTER TABLE identifiers ADD COLUMN provisional_until INTEGER;
CREATE INDEX identifiers_by_provision ON identifiers (provisional_until) WHERE provisional_until IS NOT NULL;

-- `details` is JSON (factors, the caller's claims, the client's address and browser); `version` guards its changes.
ALTER TABLE sessions ADD COLUMN lifetime INTEGER;
ALTER TABLE sessions ADD COLUMN accessed_at INTEGER;
ALTER TABLE sessions ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- A session token in plain, sealed with the server secret, for callers who show their session some other way and are handed all of its tokens.
ALTER TABLE session_tokens ADD COLUMN sealed BLOB;
