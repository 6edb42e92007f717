-- Ledger entries whose details do not cancel out.
SELECT
    CAST(e.[id_company] AS nvarchar(20)) AS company_code,
    CAST(e.[Entry No_] AS int) AS entry_no,
    CAST(e.[G/L_Account_No] AS nvarchar(20)) AS gl_account,
    CAST(coa.[Account_Name] AS nvarchar(100)) AS gl_account_name,
    CAST(m.[IFRS_Level_1 (FS)] AS nvarchar(50)) AS ifrs_level_1,
    CAST(m.[IFRS_Level_2 (Note)] AS nvarchar(100)) AS ifrs_level_2,
    CAST(e.[Posting Date] AS datetime) AS posting_date,
    CAST(e.[Document Type] AS nvarchar(20)) AS document_type,
    CAST(e.[Document No_] AS nvarchar(20)) AS document_no,
    CAST(e.[External Document No_] AS nvarchar(35)) AS external_document_no,
    CAST(e.[Description] AS nvarchar(100)) AS description,
    CAST(e.[Source Code] AS nvarchar(10)) AS source_code,
    CAST(e.[Busline Code] AS nvarchar(20)) AS busline_code,
    CAST(e.[User ID] AS nvarchar(50)) AS user_id,
    CAST(e.[Voided?] AS bit) AS is_voided,
    CAST(d.detail_count AS int) AS detail_count,
    CAST(d.amount_lcy AS decimal(38, 20)) AS amount_lcy
FROM [AIG_Nav_DW].[dbo].[G_L Entries] AS e WITH (NOLOCK)
INNER JOIN (
    SELECT
        det.[id_company],
        det.[G_L Entry No_],
        COUNT(*) AS detail_count,
        SUM(det.[Amount]) AS amount_lcy
    FROM [AIG_Nav_DW].[dbo].[Detailed G_L Entry] AS det WITH (NOLOCK)
    WHERE det.[Posting Date] < @cutoff
        AND det.[G/L_Account_No] IN (@accounts)
    GROUP BY det.[id_company], det.[G_L Entry No_]
    HAVING SUM(det.[Amount]) <> 0
) AS d
    ON d.[id_company] = e.[id_company] AND d.[G_L Entry No_] = e.[Entry No_]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc WITH (NOLOCK)
    ON dc.[Company_Code] = e.[id_company]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_ChartOfAccounts] AS coa WITH (NOLOCK)
    ON coa.[G/L_Account_No] = e.[G/L_Account_No]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[IFRS_Mapping] AS m WITH (NOLOCK)
    ON m.[G/L_Account_No] = e.[G/L_Account_No]
    AND m.[Valid_From] <= e.[Posting Date]
    AND e.[Posting Date] < m.[Valid_To]
WHERE e.[Posting Date] < @cutoff
    AND e.[G/L_Account_No] IN (@accounts)
    AND dc.[Flg_In_Conso_Scope] = @in_scope
