package manifest
import ("testing";"os";"fmt";"strings";"strconv";"path/filepath")
func TestZZ(t *testing.T){
 ms,_:=filepath.Glob(os.Getenv("ZZ")+"/*/*")
 cnt:=map[string]int{}
 for _,m:=range ms{ b,_:=os.ReadFile(m); for _,l:=range strings.Split(string(b),"\n"){ if !strings.HasPrefix(l,"[]byte("){continue}
  s,err:=strconv.Unquote(l[7:len(l)-1]); if err!=nil{continue}
  f,err:=Parse("x",[]byte(s)); if err!=nil{cnt["parse err"]++;continue}
  for _,d:=range f.Docs(){ if d.file.syntax==JSON{continue}; if _,err:=d.JSON();err!=nil{cnt["no json"]++;continue}
   old:=string(d.text)
   err:=d.Set([]string{"zz"},[]byte(`"x\ny\n"`))
   if err!=nil { k:=err.(*Error).Msg; cnt[k]++; if strings.Contains(k,"unusual")||strings.Contains(k,"cannot write"){ if len(old)<200 {fmt.Printf("%s: %q\n",k[:12],old)}};continue}
   cnt["ok"]++
   mid:=string(d.text)
   err=d.Delete([]string{"zz"}); if err!=nil {fmt.Printf("DEL %v %q\n",err,mid);continue}
   if string(d.text)!=old { cnt["not round"]++; if len(old)<100 {fmt.Printf("ROUND %q -> %q -> %q\n",old,mid,d.text)}}
  }}}
 fmt.Println(cnt)
}
