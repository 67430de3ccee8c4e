// trivydb makes a database of Trivy (schema 2) out of advisories.
// usage: trivydb ADVISORIES.json DIRECTORY TIME
// DIRECTORY gets trivy.db and metadata.json, of that time (RFC 3339).
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"
)

type advisory struct {
	Platform, Package, ID string
	Advisory              json.RawMessage // as it is on disk, where a status is a number
}

type input struct {
	Sources         map[string]types.DataSource // by platform
	Advisories      []advisory
	Vulnerabilities map[string]types.Vulnerability
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func fill(tx *bolt.Tx, in *input) error {
	to := db.Config{}
	for platform, source := range in.Sources {
		must(to.PutDataSource(tx, platform, source))
	}
	for _, a := range in.Advisories {
		must(to.PutAdvisory(tx, []string{a.Platform, a.Package}, a.ID, a.Advisory))
	}
	for id, v := range in.Vulnerabilities {
		must(to.PutVulnerability(tx, id, v))
	}
	return nil
}

func main() {
	var in input
	text, err := os.ReadFile(os.Args[1])
	must(err)
	must(json.Unmarshal(text, &in))
	dir := os.Args[2]
	made, err := time.Parse(time.RFC3339, os.Args[3])
	must(err)
	must(os.MkdirAll(dir, 0o755))
	must(db.Init(dir))
	must(db.Config{}.BatchUpdate(func(tx *bolt.Tx) error { return fill(tx, &in) }))
	must(db.Close())
	must(metadata.NewClient(dir).Update(metadata.Metadata{
		Version: db.SchemaVersion, UpdatedAt: made, NextUpdate: made.Add(24 * time.Hour), DownloadedAt: made,
	}))
}
