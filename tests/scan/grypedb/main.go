// grypedb makes a database of Grype (version 6) out of the advisories that Trivy's is made of.
// usage: grypedb ADVISORIES.json DIRECTORY
// DIRECTORY is what GRYPE_DB_CACHE_DIR names.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/spf13/afero"
)

type advisory struct {
	Platform, Package, ID string
	Advisory              struct {
		FixedVersion                        string
		PatchedVersions, VulnerableVersions []string
	}
}

type input struct {
	Advisories      []advisory
	Vulnerabilities map[string]struct {
		Description, Severity string
		CVSS                  map[string]struct{ V3Vector string }
	}
}

// How Grype calls ecosystems of languages and versions in them; and distributions.
var languages = map[string][2]string{
	"npm": {"npm", "semver"}, "pip": {"python", "python"}, "maven": {"java-archive", "maven"}, "go": {"go-module", "semver"},
}
var systems = map[string][3]string{ // name, ecosystem, versions
	"alpine": {"alpine", "apk", "apk"}, "debian": {"debian", "deb", "dpkg"}, "alma": {"rhel", "rpm", "rpm"}, // whose data it takes
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func fixOf(version string) *v6.Fix {
	if version == "" {
		return &v6.Fix{State: v6.NotFixedStatus}
	}
	return &v6.Fix{Version: version, State: v6.FixedStatus}
}

func affected(a advisory) (provider string, h *v6.AffectedPackageHandle) {
	h = &v6.AffectedPackageHandle{Package: &v6.Package{Name: a.Package}}
	constraint, kind, fixed := "", "", a.Advisory.FixedVersion
	if ecosystem, _, ok := strings.Cut(a.Platform, "::"); ok {
		provider, kind = "github", languages[ecosystem][1]
		h.Package.Ecosystem = languages[ecosystem][0]
		constraint = strings.Join(a.Advisory.VulnerableVersions, " || ")
		fixed = a.Advisory.PatchedVersions[0]
	} else {
		name, release, _ := strings.Cut(a.Platform, " ")
		major, minor, _ := strings.Cut(release, ".")
		provider, kind = systems[name][0], systems[name][2]
		h.Package.Ecosystem = systems[name][1]
		h.OperatingSystem = &v6.OperatingSystem{Name: provider, ReleaseID: provider, MajorVersion: major, MinorVersion: minor}
		if fixed != "" {
			constraint = "< " + fixed
		}
	}
	ranges := []v6.Range{{Version: v6.Version{Type: kind, Constraint: constraint}, Fix: fixOf(fixed)}}
	h.BlobValue = &v6.PackageBlob{CVEs: []string{a.ID}, Ranges: ranges}
	return provider, h
}

func severities(severity, vector string) []v6.Severity {
	if severity == "" {
		return nil
	}
	return []v6.Severity{
		{Scheme: v6.SeveritySchemeCHMLN, Value: strings.ToLower(severity), Rank: 1},
		{Scheme: v6.SeveritySchemeCVSS, Value: v6.CVSSSeverity{Vector: vector, Version: "3.1"}, Rank: 2},
	}
}

func main() {
	var in input
	text, err := os.ReadFile(os.Args[1])
	must(err)
	must(json.Unmarshal(text, &in))
	dir := filepath.Join(os.Args[2], "6")
	must(os.MkdirAll(dir, 0o755))
	w, err := v6.NewWriter(v6.Config{DBDirPath: dir})
	must(err)
	must(w.SetDBMetadata())
	now := time.Now()
	for _, a := range in.Advisories {
		known := in.Vulnerabilities[a.ID]
		provider, h := affected(a)
		h.Vulnerability = &v6.VulnerabilityHandle{
			Name: a.ID, Status: v6.VulnerabilityActive,
			Provider: &v6.Provider{ID: provider, Version: "1", Processor: "grypedb", DateCaptured: &now},
			BlobValue: &v6.VulnerabilityBlob{
				ID: a.ID, Description: known.Description, Severities: severities(known.Severity, known.CVSS["nvd"].V3Vector),
			},
		}
		must(w.AddVulnerabilities(h.Vulnerability))
		must(w.AddAffectedPackages(h))
	}
	must(w.Close())
	_, err = v6.WriteImportMetadata(afero.NewOsFs(), dir, "file://own")
	must(err)
}
