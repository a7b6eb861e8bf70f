BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE counter (
	id INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "counter" VALUES(1,11);
CREATE TABLE experiments (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	draft JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	UNIQUE (id)
);
INSERT INTO "experiments" VALUES(1,'e','me','{"name": "e"}','2026-03-01 12:00:00.123456');
CREATE TABLE leases (
	role VARCHAR(64) NOT NULL, 
	holder VARCHAR(255) NOT NULL, 
	until DATETIME NOT NULL, 
	PRIMARY KEY (role)
);
CREATE TABLE trainings (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	definition JSON NOT NULL, 
	secrets TEXT, 
	"key" VARCHAR(255), 
	request_digest VARCHAR(64) NOT NULL, 
	code VARCHAR(64) NOT NULL, 
	slots INTEGER NOT NULL, 
	runtime VARCHAR(255) NOT NULL, 
	provides TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	phase VARCHAR(16), 
	submitted_at DATETIME NOT NULL, 
	modified_at DATETIME NOT NULL, 
	started_at DATETIME, 
	running_at DATETIME, 
	finished_at DATETIME, 
	gpus JSON NOT NULL, 
	handle TEXT, 
	cancel_requested BOOLEAN NOT NULL, 
	exit_code INTEGER, 
	error JSON, 
	stored BOOLEAN NOT NULL, 
	revision BIGINT NOT NULL, isolation VARCHAR(16), acknowledged_at DATETIME, note TEXT, tags TEXT, 
	CONSTRAINT uq_trainings_key UNIQUE (owner, "key"), 
	UNIQUE (id)
);
INSERT INTO "trainings" VALUES(1,'ended','me','{"model_definition": {"name": "m", "definition_location": "/v3/ml_assets/experiments/e", "framework": {"name": "tensorflow", "version": "2"}, "execution": {"command": "true", "resourceType": "small"}}, "training_data": [{"connection": {"auth_url": "http://s/auth/v1.0", "userId": "a:b", "password": "********"}, "source": {"container": "c", "type": "softlayer_objectstore"}}]}',NULL,NULL,'d','code-of-ended',1,'tf','TensorFlow','completed',NULL,'2026-03-01 12:00:00.123456','2026-03-01 12:00:10.123456','2026-03-01 12:00:01.123456','2026-03-01 12:00:02.123456','2026-03-01 12:00:09.123456','["virtual:0"]','h1',0,0,NULL,1,8,'bubblewrap',NULL,'good',',a,b,');
INSERT INTO "trainings" VALUES(2,'running','me','{"model_definition": {"name": "m", "definition_location": "/v3/ml_assets/experiments/e", "framework": {"name": "tensorflow", "version": "2"}, "execution": {"command": "true", "resourceType": "small"}}, "training_data": [{"connection": {"auth_url": "http://s/auth/v1.0", "userId": "a:b", "password": "********"}, "source": {"container": "c", "type": "softlayer_objectstore"}}]}','fernet:gAAAAABrDmB82BmAXvkM8E6uJ_7sLlThy4amxF1OFihk4vStlatywTB_S2oT6hzpOuZG5tzcLedpgqIYJoFyWStk5QH3STzSGDLdleUunM636S7pNGW2Sh1NhAhRCKpWQnfAhnd13I1HEg_SfrR_RLP7rMT7yD5rwi3ohyKIvqYFlPl5uNKKp1dnGCr9N6xWtEBECwi9uZEOtDZN2l9QS1nZAb4xkf8F-3XKduv01Qw6g6uG3WbWvhfWFctBRJkveNEWDOkJt-_uP2PpwjXGpQXPfwJhoa2hr5o_tjsaBQk4a5iVV5w35woZypyVAcV0FiOsqijnoesnc_F9sd4DKpAL1jTR7x68KqqQWU4rhlpbPT7Jrt89SjzKHFVSkl_E_1Wg4P54rnVJDjPBOJCsBFuLU3Pn7Gx0eLeEeriQtexrEttAS94nwkmBBoVLYD8LjjE2faqKKvNKcsj0hPt5E2jooPcWW6OLs2sSIgGZQTkTtM9IJmIA8OUHYfe8svfVMuk0CajG8Bn5U1XNjWus68WUxgSYGh2L13NpBo0WEgPxbIgH9Z7JP3mmMW2VbvSoV01CJMuMFs5r',NULL,'d','code-of-running',1,'tf','TensorFlow','running','processing','2026-03-01 12:00:00.123456','2026-03-01 12:00:12.123456','2026-03-01 12:00:11.123456','2026-03-01 12:00:12.123456',NULL,'["virtual:0"]','h2',0,NULL,NULL,0,11,NULL,NULL,NULL,NULL);
INSERT INTO "trainings" VALUES(3,'queued','me','{"model_definition": {"name": "m", "definition_location": "/v3/ml_assets/experiments/e", "framework": {"name": "tensorflow", "version": "2"}, "execution": {"command": "true", "resourceType": "small"}}, "training_data": [{"connection": {"auth_url": "http://s/auth/v1.0", "userId": "a:b", "password": "********"}, "source": {"container": "c", "type": "softlayer_objectstore"}}]}','fernet:gAAAAABrDmB87HcNm1_d4too3IxIM3bHr2rqpIPD9jHBzLbrgmMF3QXmGpZkv9OdhkTiQVcFUcSUaP1dlN6Orw1HaCd0xXYPjzh3zZG4sUnL0jV0BVRznTOQvCvGujCLTuz0RjdrXdHyIaYLpqdJpbARiu7Hi7thFfwwG4nzHshBckGXGx7MXWJRr0g9ps1o6qXKrRLo7WXTNTGtoEPPuqM4-Z9hbF0jU37LoX-omEgkMpL3QcBCEputxp-bwexQmbvMMQV6doatk25zSRjqvlio3tXhMBHsfoYLcWpPWsJPeXgFYRMVTYPH7uegocRyudhS5qJoYyHR2UBx74-o4k7SFycjJFUk-Bslaa7Q44uwihzydOv4dW1nRHaZbrehv22G2uZNRpdL3-AdxqGZ-uD5yzogR6en9IuxmJtq7zSTaC67g4X3IFz79dWbz2hyICn_2Yf0bG80zisDV-Xy80W-x_0mqVPKgX8bI5BLndOdPDGxEqEQ-8As8y6404ZYw41S9pcYidyCIPmT6zHx1R4uE8uYXdTomApe1XFWHQUUuNTIFOtZvogrF2Ex2W7hgr6R_4BJXJQp',NULL,'d','code-of-queued',1,'tf','TensorFlow','pending',NULL,'2026-03-01 12:00:00.123456','2026-03-01 12:00:00.123456',NULL,NULL,NULL,'[]',NULL,0,NULL,NULL,0,3,NULL,NULL,NULL,NULL);
CREATE TABLE versions (
	id VARCHAR(64) NOT NULL, 
	experiment_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	digest VARCHAR(64), 
	size BIGINT, 
	PRIMARY KEY (id), 
	CONSTRAINT uq_versions_number UNIQUE (experiment_id, number), 
	FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "versions" VALUES('e-1','e',1,'2026-03-01 12:00:00.123456','0000000000000000000000000000000000000000000000000000000000000000',10);
CREATE INDEX ix_experiments_owner ON experiments (owner);
CREATE INDEX ix_trainings_state ON trainings (state);
CREATE INDEX ix_trainings_changes ON trainings (owner, revision);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('experiments',1);
INSERT INTO "sqlite_sequence" VALUES('trainings',3);
COMMIT;
