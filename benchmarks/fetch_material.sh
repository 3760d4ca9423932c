#!/bin/sh
# Free music, speech, pictures and fonts from Debian packages, sorted into the folders that
# avtnet.dense_train --material and avtnet.synthesize --material expect. Nothing is installed.
#
#     sh benchmarks/fetch_material.sh FOLDER
#
# Licences: docs/model-card.md. Nothing of it is part of this repository or of its packages.
set -eu
folder=${1:?"usage: sh benchmarks/fetch_material.sh FOLDER"}
mkdir -p "$folder/music" "$folder/speech" "$folder/pictures" "$folder/fonts" "$folder/debs"
folder=$(cd "$folder" && pwd)
cd "$folder/debs"
apt-get download \
    wesnoth-1.16-music planetblupi-music-ogg fillets-ng-data fillets-ng-data-cs fillets-ng-data-nl \
    mate-backgrounds fonts-noto-cjk fonts-noto-core fonts-ipafont-gothic fonts-ipafont-mincho \
    fonts-vlgothic fonts-nanum fonts-wqy-zenhei fonts-liberation fonts-lato fonts-ebgaramond \
    fonts-comic-neue fonts-quicksand
for package in *.deb; do
    dpkg-deb -x "$package" "$folder/unpacked"
done
games=$folder/unpacked/usr/share/games
for file in "$games"/wesnoth/*/data/core/music/*.ogg; do
    ln -f "$file" "$folder/music/wesnoth-$(basename "$file")"
done
for file in "$folder"/unpacked/usr/share/planetblupi/music/*.ogg; do
    ln -f "$file" "$folder/music/blupi-$(basename "$file")"
done
for file in "$games"/fillets-ng/music/*.ogg; do
    ln -f "$file" "$folder/music/fillets-$(basename "$file")"
done
for language in cs nl en; do
    mkdir -p "$folder/speech/$language"
    find "$games/fillets-ng/sound" -path "*/$language/*.ogg" | while read -r file; do
        name=$(echo "$file" | sed 's,.*/sound/,,; s,/,-,g')
        ln -f "$file" "$folder/speech/$language/$name"
    done
done
find "$folder/unpacked/usr/share/backgrounds" -name '*.jpg' -o -name '*.png' | grep -v Ubuntu |
    while read -r file; do ln -f "$file" "$folder/pictures/"; done
find "$games/fillets-ng/images" -size +100k -name '*.png' | while read -r file; do
    name=$(echo "$file" | sed 's,.*/images/,,; s,/,-,g')
    ln -f "$file" "$folder/pictures/fillets-$name"
done
find "$folder/unpacked/usr/share/fonts" -name '*.tt[fc]' -o -name '*.otf' |
    grep -Ei 'lato|liberation|quicksand|nanum|comic|garamond|ipa|wqy|VL-|CJK-(Regular|Bold)|Noto(Sans|Serif)(Display)?-(Regular|Bold|Italic)\.' |
    while read -r file; do ln -f "$file" "$folder/fonts/"; done
rm -rf "$folder/debs"
