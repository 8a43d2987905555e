// The least that a validating webhook can be: JSON in, three regular expressions, JSON out. What ours is compared with.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"regexp"
)

const annotation = "wheelwarden.dev/python-packages"

var patterns = []*regexp.Regexp{
	regexp.MustCompile(`"packages"\s*:`),
	regexp.MustCompile(`"[A-Za-z0-9][A-Za-z0-9._-]*[^"]*"`),
	regexp.MustCompile(`"indexUrl"\s*:\s*"https://[^"@ ]+"`),
}

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID    string `json:"uid"`
	Object struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	} `json:"object"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

func validate(writer http.ResponseWriter, http_ *http.Request) {
	var asked review
	if err := json.NewDecoder(http_.Body).Decode(&asked); err != nil || asked.Request == nil {
		http.Error(writer, "no AdmissionReview", http.StatusBadRequest)
		return
	}
	allowed := true
	for _, pattern := range patterns {
		allowed = allowed && pattern.MatchString(asked.Request.Object.Metadata.Annotations[annotation])
	}
	writer.Header().Set("Content-Type", "application/json")
	answer := review{APIVersion: asked.APIVersion, Kind: asked.Kind, Response: &response{UID: asked.Request.UID, Allowed: allowed}}
	_ = json.NewEncoder(writer).Encode(answer)
}

// hook ADDRESS CERTIFICATE KEY
func main() {
	http.HandleFunc("/validate", validate)
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], nil))
}
