-- Hand-off: a link that a signed-in person mints for another device of theirs, and the child session that it becomes.

-- The session that a child was handed off by, and what the person calls the device.
ALTER TABLE sessions ADD COLUMN parent_id BLOB;
ALTER TABLE sessions ADD COLUMN label TEXT;
CREATE INDEX sessions_by_parent ON sessions (parent_id) WHERE parent_id IS NOT NULL;

-- The session that minted a link, and the link in plain, sealed with the server secret, to be shown to its minter until it is used or has expired.
ALTER TABLE links ADD COLUMN parent_id BLOB;
ALTER TABLE links ADD COLUMN sealed BLOB;
CREATE INDEX links_by_seal ON links (expires_at) WHERE sealed IS NOT NULL;
