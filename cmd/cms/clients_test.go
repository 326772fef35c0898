package main

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const clientsConfig = `
server: {listen: "%s"}
repository: {path: site.git, branch: main, committer: {name: CMS, email: cms@example.org}}
state: {url: "sqlite:state.db"}
collections:
  - {name: consultations, folder: _consultations, fields: [{name: title, type: string, required: true}, {name: ordre, type: integer}]}
media: {folder: img}
auth:
  issuers: [{issuer: cms, audience: cms, algorithms: [HS256], secret_env: CMS_JWT_SECRET}]
  roles: {editor: {consultations: [read, create, update, delete], media: [read, create]}}
`

// TestGeneratedClients makes clients of the OpenAPI document that the service serves,
// with what programmers use for it, compiles them strictly, and has each do a bot's
// job. It fetches the generators, so it runs only where CMS_CLIENTS is set.
func TestGeneratedClients(t *testing.T) {
	if os.Getenv("CMS_CLIENTS") == "" {
		t.Skip("CMS_CLIENTS is not set: no clients are generated")
	}
	var pixel bytes.Buffer
	if err := png.Encode(&pixel, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	const (
		oapiCodegen = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2"
		ogen        = "github.com/ogen-go/ogen/cmd/ogen@v1.24.0"
	)
	type steps struct{ fetch, run [][]string }
	npm := []string{"npm", "install", "--no-audit", "--no-fund", "--silent", "typescript@5.9.3", "@types/node@20.19.43"}
	for name, client := range map[string]steps{
		"oapi": {
			[][]string{{"go", "install", oapiCodegen}, {"mkdir", "cms"}, {"bin/oapi-codegen", "-generate", "types,client", "-package", "cms", "-o", "cms/cms.go", "openapi.json"}, {"go", "mod", "tidy"}},
			[][]string{{"go", "vet", "./..."}, {"go", "run", "."}},
		},
		"ogen": {
			[][]string{{"go", "install", ogen}, {"bin/ogen", "-target", "cms", "-package", "cms", "openapi.json"}, {"go", "mod", "tidy"}},
			[][]string{{"go", "vet", "."}, {"go", "run", "."}},
		},
		"fetch": {
			[][]string{append(npm, "openapi-typescript@7.13.0", "openapi-fetch@0.17.0")},
			[][]string{{"npx", "openapi-typescript", "openapi.json", "-o", "schema.ts"}, {"npx", "tsc"}, {"node", "out/bot.js"}},
		},
		"hey": {
			[][]string{append(npm, "@hey-api/openapi-ts@0.95.0")},
			[][]string{{"npx", "openapi-ts", "-i", "openapi.json", "-o", "client", "-c", "@hey-api/client-fetch"}, {"npx", "tsc"}, {"node", "out/bot.js"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t, 10, clientsConfig)
			p.serve()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients", name))); err != nil {
				t.Fatal(err)
			}
			res, err := http.Get(p.url + "/openapi.json")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			document, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			for file, content := range map[string][]byte{
				"openapi.json": document, "go.mod": []byte("module bot\n\ngo 1.26\n"), "package.json": []byte(`{"private": true, "type": "module"}`),
			} {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			do := func(step []string) (string, error) {
				cmd := exec.Command(step[0], step[1:]...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOBIN="+filepath.Join(dir, "bin"), "CMS_URL="+p.url, "CMS_TOKEN="+p.token,
					"CMS_IMAGE="+base64.StdEncoding.EncodeToString(pixel.Bytes()))
				out, err := cmd.CombinedOutput()
				return string(out[max(0, len(out)-8000):]), err
			}
			for _, step := range client.fetch {
				out, err := do(step)
				if network := step[0] == "npm" || step[0] == "go"; err != nil && network {
					t.Skipf("NOT TESTED, as it could not be fetched: %v: %v\n%s", step, err, out)
				} else if err != nil {
					t.Fatalf("%v: %v\n%s", step, err, out)
				}
			}
			for _, step := range client.run {
				if out, err := do(step); err != nil {
					t.Fatalf("%v: %v\n%s", step, err, out)
				}
			}
			p.stop()
		})
	}
}
